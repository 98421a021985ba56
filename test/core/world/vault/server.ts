import { type Answer, type Body, bodyOf, done, failed, ok, type Question, textsOf, wrapped } from "./answers.ts";
import { atOnce, type Begun, type Engine, engineOf } from "./engines.ts";
import { type KvMount, kvMount } from "./kv.ts";
import { type Leases, vaultLeases } from "./leases.ts";
import { type LoginMount, type LoginType, loginMount } from "./logins.ts";
import { allows, capabilitiesOf, DEFAULT_POLICY, rulesOf } from "./policies.ts";
import { type Token, type Tokens, vaultTokens } from "./tokens.ts";

export interface VaultServerOptions {
  readonly now: () => number;
  /** What a TokenReview of a login's cluster answers. */
  readonly isThere: (mount: string, claims: Body) => boolean;
}

/** A Vault in memory, at the level of its HTTP answers. */
export interface VaultServer {
  /** Begins to work; the token counts as it is now. `workMs` in place of what the role says. */
  begin(question: Question, workMs?: number): Begun;
  /** The same, and ends at once. */
  handle(question: Question): Answer;
  readonly tokens: Tokens;
  readonly leases: Leases;
  kv(mount: string): KvMount | undefined;
  engine(mount: string): Engine | undefined;
  isSealed: boolean;
  /** In ms: a request that takes longer is ended, and has had no effect. */
  maxRequestMs: number;
  /** Requests that are worked on. */
  readonly underWay: Set<Question>;
  /** What was answered so far, by `<operation> <path>`, as the audit log has it. */
  readonly audit: ReadonlyMap<string, number>;
}

const MOUNTS = "sys/internal/ui/mounts/";

interface Limit {
  readonly path: string;
  readonly rate: number;
  used: number;
}

const OPERATIONS: Readonly<Record<string, string>> = {
  ...{ GET: "read", POST: "update", PATCH: "patch", DELETE: "delete", LIST: "list" },
};
const INTERVAL_MS = 60_000;
const CLUSTER = "11111111-2222-3333-4444-555555555555";
const MAX_REQUEST_MS = 90_000;

export function vaultServer({ now, isThere }: VaultServerOptions): VaultServer {
  const kvs = new Map<string, KvMount>();
  const engines = new Map<string, Engine>();
  const logins = new Map<string, LoginMount>();
  const policies = new Map<string, string>([["default", DEFAULT_POLICY]]);
  const limits = new Map<string, Limit>();
  const audit = new Map<string, number>();
  const tokens = vaultTokens(now);
  const leases = vaultLeases(now);
  const underWay = new Set<Question>();

  const mountOf = <T>(mounts: ReadonlyMap<string, T>, path: string) => {
    const name = [...mounts.keys()]
      .filter((mount) => path.startsWith(`${mount}/`))
      .sort((a, b) => b.length - a.length)[0];
    const mount = name === undefined ? undefined : mounts.get(name);
    return name === undefined || mount === undefined ? undefined : { mount, rest: path.slice(name.length + 1) };
  };
  const rulesFor = ({ policies: names }: Token) => names.flatMap((name) => rulesOf(policies.get(name) ?? ""));
  const isAllowed = (token: Token | "root", question: Question): boolean =>
    token === "root" ||
    question.path.startsWith(MOUNTS) ||
    allows(rulesFor(token), question.method, question.path, Object.keys(bodyOf(question)));
  const capabilities = (token: Token | "root", { paths }: Body): Answer => {
    const of = (path: string) => (token === "root" ? ["root"] : capabilitiesOf(rulesFor(token), path));
    const data = Object.fromEntries(textsOf(paths).map((path) => [path, of(path)]));
    return ok({ ...data, data });
  };

  /** What an administrator sets up, by the area below `sys/`. */
  const areas: Readonly<Record<string, (name: string, body: Body, method: string) => Answer | undefined>> = {
    mounts(name, body) {
      const engine = engineOf(String(body.type), { now, leases, mount: name });
      if (engine) engines.set(name, engine);
      else kvs.set(name, kvMount(Object(body.options).version === "2" ? 2 : 1, now));
      return undefined;
    },
    auth(name, body, method) {
      if (method === "GET")
        return logins.has(name.split("/")[0] ?? "") ? ok({ data: {} }) : failed(400, "no such mount");
      const isOurs = (claims: Body): boolean => isThere(name, claims);
      logins.set(name, loginMount({ mount: name, type: String(body.type) as LoginType, tokens, now, isThere: isOurs }));
      return undefined;
    },
    policies: (name, body) => void policies.set(name.replace(/^acl\//, ""), String(body.policy)),
    quotas(name, body, method) {
      if (method === "DELETE") limits.delete(name);
      else if (body.rate !== undefined) limits.set(name, { path: String(body.path), rate: Number(body.rate), used: 0 });
      return undefined;
    },
    seal: () => {
      server.isSealed = true;
      return undefined;
    },
  };
  const system = (question: Question, path: string, token: Token | "root"): Answer => {
    if (question.path.startsWith(MOUNTS)) return shownMount(question.path.slice(MOUNTS.length), token);
    const [area = "", ...rest] = path.split("/");
    const body = question.method === "POST" ? bodyOf(question) : {};
    return areas[area]?.(rest.join("/"), body, question.method) ?? done();
  };
  /** Any token with some right there may ask; where nothing is mounted the answer is the same as without a right. */
  const shownMount = (path: string, token: Token | "root"): Answer => {
    const found = mountOf<unknown>(new Map<string, unknown>([...kvs, ...engines]), `${path}/`);
    const mount = found === undefined ? "" : `${path}/`.slice(0, -found.rest.length - 1);
    const mayAsk = token === "root" || rulesFor(token).some((rule) => rule.path.startsWith(`${mount}/`));
    if (found === undefined || !mayAsk) return failed(403, "preflight capability check returned 403");
    const version = kvs.get(mount)?.version;
    return ok({
      data: { path: `${mount}/`, type: version ? "kv" : "other", options: version ? { version: `${version}` } : null },
    });
  };
  const overLimit = ({ path }: Question): boolean => {
    const limit = [...limits.values()].find((one) => path.startsWith(one.path));
    if (limit === undefined) return false;
    limit.used += 1;
    return limit.used > limit.rate;
  };
  /** What is not issued is answered at once. */
  const plainly = (question: Question, token: Token | "root"): Answer => {
    const { path } = question;
    if (path.startsWith("sys/leases/")) return leases.handle(question, path.slice("sys/leases/".length));
    if (path === "sys/capabilities-self") return capabilities(token, bodyOf(question));
    if (path.startsWith("sys/")) return system(question, path.slice("sys/".length), token);
    if (path.startsWith("auth/token/")) return tokens.handle(question, path.slice("auth/token/".length), token);
    if (path.startsWith("auth/")) {
      const login = mountOf(logins, path.slice("auth/".length));
      return login ? login.mount.handle(question, login.rest) : failed(404, `no handler for route "${path}"`);
    }
    const kv = mountOf(kvs, path);
    return kv ? kv.mount.handle(question, kv.rest) : failed(404, `no handler for route "${path}"`);
  };
  /** A certificate, and an issuer's, are shown to whoever asks. */
  const shown = ({ method, path }: Question): Answer | undefined => {
    const found = method === "GET" ? mountOf(engines, path) : undefined;
    const [, serial] = /^cert\/([^/]+)$/.exec(found?.rest ?? "") ?? [];
    const [, issuer] = /^issuer\/([^/]+)\/json$/.exec(found?.rest ?? "") ?? [];
    const pki = found?.mount.pki;
    if (serial !== undefined) return pki?.show(serial);
    return issuer === undefined ? undefined : pki?.signer(issuer);
  };
  const authorized = (question: Question): Begun => {
    const certificate = shown(question);
    if (certificate !== undefined) return atOnce(() => certificate);
    const token = tokens.use(question.token);
    if (token === undefined) return atOnce(() => failed(403, "permission denied"));
    if (!isAllowed(token, question)) return atOnce(() => failed(403, "1 error occurred:\n\t* permission denied\n\n"));
    const engine = mountOf(engines, question.path);
    if (engine === undefined) return atOnce(() => plainly(question, token));
    const begun = engine.mount.begin(question, engine.rest, token);
    if (token === "root" || token.usesLeft !== 0) return begun;
    return { ...begun, finish: () => unusable(begun.finish()) };
  };
  /** A lease of a token that has no use left is taken back at once. */
  const unusable = (answer: Answer): Answer => {
    const { lease_id: id } = (answer.status === 200 ? JSON.parse(answer.text) : {}) as { lease_id?: string };
    const lease = leases.find(id ?? "");
    if (lease === undefined) return answer;
    lease.revokedAt = now();
    return failed(
      400,
      "Secret cannot be returned; token had one use left, so leased credentials were immediately revoked.",
    );
  };
  const stateAt = (path: string): Answer | undefined => {
    const { isSealed: sealed } = server;
    if (path === "sys/health") return ok({ sealed, ...(sealed ? {} : { cluster_id: CLUSTER }) });
    return path === "sys/seal-status" ? ok({ sealed, initialized: true }) : undefined;
  };
  const answered = (question: Question): Answer | Begun => {
    const { path, method } = question;
    const state = stateAt(path);
    if (state !== undefined) return state;
    if (server.isSealed) return failed(503, "Vault is sealed");
    if (overLimit(question))
      return { ...failed(429, "request path rate limit quota exceeded"), retryAfterMs: INTERVAL_MS };
    const login = /^auth\/(.+)\/login$/.exec(path)?.[1];
    if (login === undefined || method !== "POST") return authorized(question);
    const mount = logins.get(login);
    return mount ? mount.handle(question, "login") : failed(403, "permission denied");
  };
  const told = (question: Question): void => {
    const operation = `${OPERATIONS[question.method] ?? question.method} ${question.path}`;
    audit.set(operation, (audit.get(operation) ?? 0) + 1);
  };
  const server: VaultServer = {
    ...{ tokens, leases, audit, underWay },
    isSealed: false,
    maxRequestMs: MAX_REQUEST_MS,
    kv: (mount) => kvs.get(mount),
    engine: (mount) => engines.get(mount),
    begin(question, workMs) {
      const found = answered(question);
      const begun = "finish" in found ? found : atOnce(() => found);
      const wanted = workMs ?? begun.workMs;
      const tooLong = wanted > server.maxRequestMs;
      return {
        workMs: Math.min(wanted, server.maxRequestMs),
        finish() {
          told(question);
          if (tooLong) return failed(500, "1 error occurred:\n\t* context deadline exceeded\n\n");
          const answer = begun.finish();
          return question.wrapTtl !== undefined && answer.status === 200 ? wrapped(question) : answer;
        },
      };
    },
    handle: (question) => server.begin(question).finish(),
  };
  return server;
}
