import { type Answer, type Body, bodyOf, done, failed, ok, type Question } from "./answers.ts";
import { type KvMount, kvMount } from "./kv.ts";
import { type LoginMount, type LoginType, loginMount } from "./logins.ts";
import { allows, DEFAULT_POLICY, rulesOf } from "./policies.ts";
import { type Token, type Tokens, vaultTokens } from "./tokens.ts";

export interface VaultServerOptions {
  readonly now: () => number;
  /** What a TokenReview of a login's cluster answers. */
  readonly isThere: (mount: string, claims: Body) => boolean;
}

/** A Vault in memory, at the level of its HTTP answers. */
export interface VaultServer {
  handle(question: Question): Answer;
  readonly tokens: Tokens;
  kv(mount: string): KvMount | undefined;
  isSealed: boolean;
  /** What was answered so far, by `<operation> <path>`, as the audit log has it. */
  readonly audit: ReadonlyMap<string, number>;
}

interface Limit {
  readonly path: string;
  readonly rate: number;
  used: number;
}

const OPERATIONS: Readonly<Record<string, string>> = { GET: "read", POST: "update", DELETE: "delete", LIST: "list" };
const INTERVAL_MS = 60_000;

export function vaultServer({ now, isThere }: VaultServerOptions): VaultServer {
  const kvs = new Map<string, KvMount>();
  const logins = new Map<string, LoginMount>();
  const policies = new Map<string, string>([["default", DEFAULT_POLICY]]);
  const limits = new Map<string, Limit>();
  const audit = new Map<string, number>();
  const tokens = vaultTokens(now);

  const mountOf = <T>(mounts: ReadonlyMap<string, T>, path: string) => {
    const name = [...mounts.keys()]
      .filter((mount) => path.startsWith(`${mount}/`))
      .sort((a, b) => b.length - a.length)[0];
    const mount = name === undefined ? undefined : mounts.get(name);
    return name === undefined || mount === undefined ? undefined : { mount, rest: path.slice(name.length + 1) };
  };
  const isAllowed = (token: Token | "root", { method, path }: Question): boolean =>
    token === "root" ||
    allows(
      token.policies.flatMap((name) => rulesOf(policies.get(name) ?? "")),
      method,
      path,
    );

  /** What an administrator sets up, by the area below `sys/`. */
  const areas: Readonly<Record<string, (name: string, body: Body, method: string) => Answer | undefined>> = {
    mounts: (name, body) => void kvs.set(name, kvMount(Object(body.options).version === "2" ? 2 : 1, now)),
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
  const system = (question: Question, path: string): Answer => {
    const [area = "", ...rest] = path.split("/");
    const body = question.method === "POST" ? bodyOf(question) : {};
    return areas[area]?.(rest.join("/"), body, question.method) ?? done();
  };
  const overLimit = ({ path }: Question): boolean => {
    const limit = [...limits.values()].find((one) => path.startsWith(one.path));
    if (limit === undefined) return false;
    limit.used += 1;
    return limit.used > limit.rate;
  };
  const authorized = (question: Question): Answer => {
    const token = tokens.use(question.token);
    if (token === undefined) return failed(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n");
    if (!isAllowed(token, question)) return failed(403, "1 error occurred:\n\t* permission denied\n\n");
    const { path } = question;
    if (path.startsWith("sys/")) return system(question, path.slice("sys/".length));
    if (path.startsWith("auth/token/")) return tokens.handle(question, path.slice("auth/token/".length), token);
    if (path.startsWith("auth/")) {
      const login = mountOf(logins, path.slice("auth/".length));
      return login ? login.mount.handle(question, login.rest) : failed(404, `no handler for route "${path}"`);
    }
    const kv = mountOf(kvs, path);
    return kv ? kv.mount.handle(question, kv.rest) : failed(404, `no handler for route "${path}"`);
  };
  const answered = (question: Question): Answer => {
    const { path, method } = question;
    if (path === "sys/seal-status") return ok({ sealed: server.isSealed, initialized: true });
    if (server.isSealed) return failed(503, "Vault is sealed");
    if (overLimit(question))
      return { ...failed(429, "request path rate limit quota exceeded"), retryAfterMs: INTERVAL_MS };
    const login = /^auth\/(.+)\/login$/.exec(path)?.[1];
    if (login === undefined || method !== "POST") return authorized(question);
    const mount = logins.get(login);
    return mount ? mount.handle(question, "login") : failed(403, "permission denied");
  };
  const server: VaultServer = {
    tokens,
    audit,
    isSealed: false,
    kv: (mount) => kvs.get(mount),
    handle(question) {
      const answer = answered(question);
      const operation = `${OPERATIONS[question.method] ?? question.method} ${question.path}`;
      audit.set(operation, (audit.get(operation) ?? 0) + 1);
      return answer;
    },
  };
  return server;
}
