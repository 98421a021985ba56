import type { HttpAnswer } from "../../harness/http.ts";
import type { VaultAnswer as HarnessAnswer, Vault } from "../../harness/index.ts";
import type { VaultRequestOptions } from "../../harness/vault/vault-client.ts";
import type { MemoryCluster } from "./cluster.ts";
import type { WorldTime } from "./time.ts";
import type { Answer, Body } from "./vault/answers.ts";
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
>;

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
}

export function memoryVault({ address, time }: { readonly address: string; readonly time: WorldTime }): MemoryVault {
  const reviewers = new Map<string, MemoryCluster>();
  const kvVersions = new Map<string, 1 | 2>();
  let outage: MemoryVault["outage"];
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
  return {
    time,
    server,
    address,
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
  };
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
