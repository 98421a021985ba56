import { type Answer, type Body, bodyOf, done, failed, msOf, ok, type Question } from "./answers.ts";
import type { EngineDeps } from "./leases.ts";
import { type PkiMount, pkiMount } from "./pki.ts";
import { type StaticRole, settingsOf, staticRole } from "./static-roles.ts";
import type { Token } from "./tokens.ts";

/** A request that Vault has begun to work on. */
export interface Begun {
  /** How long it works, in ms. */
  readonly workMs: number;
  /** The effect and the answer, at the end of the work. A request that is cancelled has neither. */
  finish(): Answer;
}

export const atOnce = (finish: () => Answer): Begun => ({ workMs: 0, finish });

const notThis = (): Answer => failed(405, "1 error occurred:\n\t* unsupported operation\n\n");

/** A mount that issues. */
export interface Engine {
  begin(question: Question, path: string, token: Token | "root"): Begun;
  /** Whether this user gets in with this password now. */
  login?(user: string, password: string): boolean;
  readonly pki?: PkiMount;
  /** While its database is down it issues nothing, and nobody gets in. */
  isDown: boolean;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const MAKERS: Readonly<Record<string, (deps: EngineDeps) => Engine>> = {
  database: databaseMount,
  kubernetes: kubernetesMount,
  pki: pkiEngine,
};

/** The engine of this type; undefined: this Vault has none such. */
export function engineOf(type: string, deps: EngineDeps): Engine | undefined {
  return MAKERS[type]?.(deps);
}

interface User {
  readonly name: string;
  readonly password: string;
  readonly leaseId: string;
}

/** `roles`, `creds`, `static-roles`, `static-creds`; no database is behind it. */
function databaseMount({ now, leases, mount }: EngineDeps): Engine {
  const roles = new Map<string, Body>();
  const users = new Map<string, User>();
  const statics = new Map<string, StaticRole>();
  let made = 0;

  const credential = (name: string, role: Body, token: Token | "root"): Answer => {
    if (engine.isDown) return failed(500, "1 error occurred:\n\t* failed to connect to database\n\n");
    const number = ++made;
    const [user, password] = [`v-${name}-${number}`, `password-${number}`];
    const lease = leases.make({
      ...{ path: `${mount}/creds/${name}`, token, isRenewable: true, about: user },
      ttlMs: msOf(role.default_ttl) || HOUR_MS,
      maxMs: msOf(role.max_ttl) || DAY_MS,
    });
    for (const [known, { leaseId }] of users) if (leases.find(leaseId) === undefined) users.delete(known);
    users.set(user, { name: user, password, leaseId: String(lease.lease_id) });
    return ok({ request_id: `request-${number}`, ...lease, data: { username: user, password } });
  };
  const creds = (question: Question, name: string, token: Token | "root"): Begun => {
    const role = roles.get(name);
    if (question.method !== "GET") return atOnce(notThis);
    if (role === undefined) return atOnce(() => failed(400, `unknown role: ${name}`));
    return { workMs: msOf(role.creation_time), finish: () => credential(name, role, token) };
  };
  const readStatic = (name: string): Answer => {
    const found = statics.get(name);
    return found ? ok({ data: found.read() }) : failed(400, `unknown role: ${name}`);
  };
  const setStatic = (name: string, role: Body): Answer => {
    const settings = settingsOf(role);
    if (settings === undefined) return failed(400, "could not parse rotation_schedule");
    const found = statics.get(name);
    if (found === undefined) statics.set(name, staticRole({ now, user: String(role.username ?? name), settings }));
    else found.change(settings);
    return done();
  };
  const setRole = (name: string, role: Body): Answer => {
    roles.set(name, { ...roles.get(name), ...role });
    return done();
  };
  const engine: Engine = {
    isDown: false,
    begin(question, path, token) {
      const [area = "", name = ""] = path.split("/");
      if (area === "creds") return creds(question, name, token);
      if (area === "static-creds") return atOnce(() => readStatic(name));
      if (area === "roles") return atOnce(() => setRole(name, bodyOf(question)));
      return atOnce(area === "static-roles" ? () => setStatic(name, bodyOf(question)) : done);
    },
    login(name, password) {
      if (engine.isDown) throw new Error("the database is down");
      const user = users.get(name);
      if (user !== undefined) return user.password === password && leases.find(user.leaseId) !== undefined;
      return [...statics.values()].some((one) => one.user === name && one.read().password === password);
    },
  };
  return engine;
}

/** `roles`, `creds`: leases that can't be renewed. */
function kubernetesMount({ leases, mount }: EngineDeps): Engine {
  const roles = new Map<string, Body>();
  let made = 0;
  return {
    isDown: false,
    begin: (question, path, token) =>
      atOnce(() => {
        const [area, name = ""] = path.split("/");
        const role = roles.get(name);
        if (area === "roles") {
          roles.set(name, bodyOf(question));
          return done();
        }
        if (area !== "creds") return done();
        if (question.method !== "POST") return notThis();
        if (role === undefined) return failed(400, `role '${name}' does not exist`);
        const { kubernetes_namespace: namespace, ttl } = bodyOf(question);
        const ttlMs = msOf(ttl) || msOf(role.token_default_ttl) || HOUR_MS;
        const account = String(role.service_account_name ?? "default");
        const lease = leases.make({
          ...{ path: `${mount}/creds/${name}`, token, isRenewable: false, about: account },
          ...{ ttlMs, maxMs: ttlMs },
        });
        const data = {
          service_account_name: account,
          service_account_namespace: String(namespace ?? ""),
          service_account_token: `token-${++made}`,
        };
        return ok({ request_id: `request-${made}`, ...lease, data });
      }),
  };
}

function pkiEngine(deps: EngineDeps): Engine {
  const pki = pkiMount(deps);
  return { isDown: false, pki, begin: (question, path, token) => atOnce(() => pki.handle(question, path, token)) };
}
