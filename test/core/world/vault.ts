import type { HttpAnswer } from "../../harness/http.ts";
import type { VaultAnswer as HarnessAnswer, Vault } from "../../harness/index.ts";
import type { VaultRequestOptions } from "../../harness/vault/vault-client.ts";
import type { MemoryCluster } from "./cluster.ts";
import type { WorldTime } from "./time.ts";
import type { Answer, Body, Question } from "./vault/answers.ts";
import type { Lease } from "./vault/leases.ts";
import type { MadeCertificate } from "./vault/pki.ts";
import { type Meddler, served } from "./vault/serve.ts";
import { type VaultServer, vaultServer } from "./vault/server.ts";
import { ROOT } from "./vault/tokens.ts";

/** What a suite needs of a Vault, a real one or one in memory. */
export type ContractVault = Pick<
  Vault,
  | "address"
  | "caPem"
  | "flavor"
  | "request"
  | "write"
  | "read"
  | "remove"
  | "enableKv"
  | "putKv"
  | "writePolicy"
  | "enableAppRole"
  | "auditedReads"
  | "seal"
  | "unseal"
  | "stop"
  | "start"
  | "pause"
  | "resume"
  | "enablePki"
  | "putPkiRole"
  | "putDatabaseRole"
  | "leases"
  | "lease"
>;

export type StaticRoleOptions = ({ readonly rotationPeriod: string } | { readonly schedule: string }) & {
  /** How much later than its time each rotation comes. */
  readonly late?: string;
  /** No rotation succeeds. */
  readonly fails?: boolean;
  readonly mount?: string;
};

/** A Vault in memory with the administration that tests set the scene with. */
export interface MemoryVault extends ContractVault {
  readonly time: WorldTime;
  readonly server: VaultServer;
  /** `refused`: nobody listens. `silent`: nobody answers. */
  readonly outage: "refused" | "silent" | undefined;
  fail(outage: "refused" | "silent" | undefined): void;
  /** The Kubernetes login for the service accounts of one cluster. */
  enableKubernetesAuth(cluster: MemoryCluster, options?: { readonly mount?: string }): Promise<void>;
  enableJwtAuth(cluster: MemoryCluster, options?: { readonly mount?: string }): Promise<void>;
  /** A database engine; no database is behind it, and `login` asks itself. */
  enableDatabase(options?: { readonly mount?: string }): Promise<void>;
  /** Sets it, or changes it, which rotates nothing by itself. */
  putStaticRole(name: string, role: StaticRoleOptions): Promise<void>;
  enableKubernetesSecrets(options?: { readonly mount?: string }): Promise<void>;
  putKubernetesRole(name: string, role?: { readonly ttl?: string; readonly mount?: string }): Promise<void>;
  /** Whether this user of the database gets in with this password now. */
  login(user: string, password: string, mount?: string): Promise<boolean>;
  /** All leases that live, oldest first, with the tokens they end with. Those of logins are left out. */
  liveLeases(prefix?: string): readonly Lease[];
  certificates(mount?: string): readonly MadeCertificate[];
  /** A request is worked on. */
  isWorking(): boolean;
  /** From now on this says what happens to each request of keyferry; undefined: nothing. */
  meddle(meddler: Meddler | undefined): void;
  /** A client that goes does not end its request: something between it and Vault keeps it open. */
  keepsGoing: boolean;
  /** Who trusts no other CA does not reach it; undefined: its certificate is not looked at. */
  certifiedBy: string | undefined;
  /** A request of keyferry as it meets it. */
  serve(
    question: Question,
    client: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): ReturnType<typeof served>;
}

export function memoryVault({ address, time }: { readonly address: string; readonly time: WorldTime }): MemoryVault {
  const reviewers = new Map<string, MemoryCluster>();
  const kvVersions = new Map<string, 1 | 2>();
  let outage: MemoryVault["outage"];
  let meddler: Meddler | undefined;
  const server = vaultServer({ now: time.now, isThere: (mount, claims) => isThere(reviewers.get(mount), claims) });

  const request = async <T = HarnessAnswer>(
    method: string,
    path: string,
    body?: unknown,
    { token = ROOT }: VaultRequestOptions = {},
  ): Promise<HttpAnswer<T>> => {
    const [bare = "", query = ""] = path.split("?");
    const text = typeof body === "string" ? body : body === undefined ? undefined : JSON.stringify(body);
    const answer = server.handle({
      method,
      path: decoded(bare),
      query: Object.fromEntries(new URLSearchParams(query)),
      token: token ?? undefined,
      ...(text === undefined ? {} : { body: text }),
    });
    return { ...answer, headers: {}, body: parsed<T>(answer) };
  };
  const write = async <T = HarnessAnswer>(path: string, body: unknown = {}): Promise<T> =>
    accepted(await request<T>("POST", path, body), path).body;
  const enable = async (type: string, mount: string): Promise<void> =>
    void (await write(`sys/auth/${mount}`, { type }));
  const mounting = async (type: string, mount: string): Promise<void> =>
    void (await write(`sys/mounts/${mount}`, { type }));
  const liveLeases = (prefix = ""): readonly Lease[] =>
    server.leases.live().filter(({ id }) => prefix === "" || id.startsWith(`${prefix.replace(/\/$/, "")}/`));
  const vault: MemoryVault = {
    time,
    server,
    address,
    keepsGoing: false,
    certifiedBy: undefined,
    flavor: "openbao",
    request,
    write,
    get outage() {
      return outage;
    },
    fail(how) {
      outage = how;
    },
    async read<T = HarnessAnswer>(path: string) {
      const answer = await request<T>("GET", path);
      return answer.status === 404 ? undefined : accepted(answer, path).body;
    },
    remove: async (path) => void accepted(await request("DELETE", path), path),
    async enableKv(mount, version) {
      kvVersions.set(mount, version);
      await write(`sys/mounts/${mount}`, { type: "kv", options: { version: String(version) } });
    },
    async putKv(mount, path, data) {
      if (kvVersions.get(mount) === 1) {
        await write(`${mount}/${path}`, data);
        return 1;
      }
      return Number((await write(`${mount}/data/${path}`, { data })).data.version);
    },
    writePolicy: async (name, policy) => void (await write(`sys/policies/acl/${name}`, { policy })),
    async enableAppRole({ mount = "approle", role, policies }) {
      if ((await request("GET", `sys/auth/${mount}/tune`)).status !== 200) await enable("approle", mount);
      await write(`auth/${mount}/role/${role}`, { token_policies: policies });
      const roleId = (await request("GET", `auth/${mount}/role/${role}/role-id`)).body;
      const secretId = await write(`auth/${mount}/role/${role}/secret-id`);
      return { roleId: String(roleId.data.role_id), secretId: String(secretId.data.secret_id) };
    },
    async enableKubernetesAuth(cluster, { mount = "kubernetes" } = {}) {
      reviewers.set(mount, cluster);
      await enable("kubernetes", mount);
    },
    enableJwtAuth: (_cluster, { mount = "jwt" } = {}) => enable("jwt", mount),
    auditedReads: async () => new Map(server.audit),
    async seal() {
      server.isSealed = true;
    },
    async unseal() {
      server.isSealed = false;
    },
    async stop() {
      outage = "refused";
    },
    async start({ sealed = false } = {}) {
      outage = undefined;
      server.isSealed = sealed;
    },
    pause() {
      outage = "silent";
    },
    resume() {
      outage = undefined;
    },
    enableDatabase: ({ mount = "database" } = {}) => mounting("database", mount),
    async putDatabaseRole(name, { mount = "database", defaultTtl = "1h", maxTtl = "24h", creationSeconds = 0 } = {}) {
      const times = { default_ttl: defaultTtl, max_ttl: maxTtl, creation_time: creationSeconds };
      await write(`${mount}/roles/${name}`, times);
    },
    async putStaticRole(name, { mount = "database", late = "0s", fails = false, ...when }) {
      const role = "schedule" in when ? { rotation_schedule: when.schedule } : { rotation_period: when.rotationPeriod };
      const about = { username: name, rotation_late: late, rotation_fails: fails };
      await write(`${mount}/static-roles/${name}`, { ...about, ...role });
    },
    enableKubernetesSecrets: ({ mount = "kubernetes" } = {}) => mounting("kubernetes", mount),
    async putKubernetesRole(name, { mount = "kubernetes", ttl = "1h" } = {}) {
      await write(`${mount}/roles/${name}`, { token_default_ttl: ttl });
    },
    async enablePki({ mount = "pki", commonName = "a root", ttl = "87600h" } = {}) {
      await mounting("pki", mount);
      return String(
        (await write(`${mount}/root/generate/internal`, { common_name: commonName, ttl })).data.certificate,
      );
    },
    async putPkiRole(name, { mount = "pki", ...role } = {}) {
      await write(`${mount}/roles/${name}`, { ttl: "1h", ...role });
    },
    leases: async (prefix) =>
      liveLeases(prefix)
        .map(({ id }) => id)
        .sort(),
    async lease(id) {
      const answer = await request("POST", "sys/leases/lookup", { lease_id: id });
      if (answer.status !== 200) return undefined;
      const { issue_time: issueTime, expire_time: expireTime, renewable, ttl } = answer.body.data;
      return {
        ...{ id, issueTime: String(issueTime), expireTime: String(expireTime) },
        ...{ renewable: renewable === true, ttl: Number(ttl) },
      };
    },
    login: async (user, password, mount = "database") => server.engine(mount)?.login?.(user, password) ?? false,
    liveLeases,
    certificates: (mount = "pki") => server.engine(mount)?.pki?.made() ?? [],
    isWorking: () => server.underWay.size > 0,
    meddle(next) {
      meddler = next;
    },
    serve: (question, client) =>
      served({ server, time, fault: meddler?.(question) ?? {}, keepsGoing: vault.keepsGoing }, question, client),
  };
  return vault;
}

export function decoded(path: string): string {
  return path.split("/").map(decodeURIComponent).join("/");
}

function parsed<T>({ text }: Answer): T {
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

function accepted<T>(answer: HttpAnswer<T>, path: string): HttpAnswer<T> {
  if (answer.status < 300) return answer;
  throw new Error(`Vault refused ${path}: ${answer.status} ${answer.text}`);
}

/** Vault asks the cluster whose token it is. */
function isThere(cluster: MemoryCluster | undefined, claims: Body): boolean {
  const account = Object(claims["kubernetes.io"]) as {
    namespace?: string;
    serviceaccount?: { name?: string; uid?: string };
  };
  const kind = cluster?.server.kindOf("v1", "ServiceAccount");
  if (!cluster || cluster.outage !== undefined || !kind) return false;
  const found = cluster.server.objects.get(kind, account.namespace, account.serviceaccount?.name ?? "");
  return found !== undefined && found.metadata.uid === account.serviceaccount?.uid;
}
