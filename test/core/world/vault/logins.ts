import { claimsOf } from "../api/tokens.ts";
import { type Answer, type Body, bodyOf, done, failed, ok, type Question, textsOf } from "./answers.ts";
import type { Tokens } from "./tokens.ts";

interface Role {
  readonly settings: Body;
  readonly roleId: string;
  /** How often each may be used still. */
  readonly secretIds: Map<string, number>;
}

export type LoginType = "approle" | "kubernetes" | "jwt";

/** One auth mount. */
export interface LoginMount {
  readonly type: LoginType;
  handle(question: Question, path: string): Answer;
}

export interface LoginDeps {
  readonly mount: string;
  readonly type: LoginType;
  readonly tokens: Tokens;
  readonly now: () => number;
  /** Whether this service account is there still: what a TokenReview answers. */
  readonly isThere: (claims: Body) => boolean;
}

export function loginMount({ mount, type, tokens, now, isThere }: LoginDeps): LoginMount {
  const roles = new Map<string, Role>();
  let made = 0;

  const byAppRole = ({ role_id, secret_id }: Body): Answer => {
    const [name = "", role] = [...roles].find(([, { roleId }]) => roleId === role_id) ?? [];
    const uses = role?.secretIds.get(String(secret_id));
    if (!role || uses === undefined) return failed(400, "invalid role or secret ID");
    if (uses > 1) role.secretIds.set(String(secret_id), uses - 1);
    else role.secretIds.delete(String(secret_id));
    return tokens.issue(role.settings, { role_name: name });
  };
  const byJwt = ({ role: name, jwt }: Body): Answer => {
    const role = roles.get(String(name));
    if (!role) return failed(400, `invalid role name "${String(name)}"`);
    const claims = claimsOf(String(jwt));
    const refusal = claims === undefined ? "signature is invalid" : refusalOf(claims, role.settings);
    return refusal === undefined ? tokens.issue(role.settings) : failed(403, refusal);
  };
  const refusalOf = (claims: Body, settings: Body): string | undefined => {
    const account = Object(claims["kubernetes.io"]) as { namespace?: string; serviceaccount?: { name?: string } };
    const audiences = textsOf(settings.bound_audiences ?? settings.audience);
    const { bound_subject: subject = claims.sub } = settings;
    const checks: readonly (readonly [isSo: boolean, says: string])[] = [
      [Number(claims.exp) * 1_000 <= now(), "token is expired"],
      [
        audiences.length > 0 && !textsOf(claims.aud).some((one) => audiences.includes(one)),
        "invalid audience (aud) claim",
      ],
      [subject !== claims.sub, "claim sub does not match"],
    ];
    const ofKubernetes: typeof checks = [
      [
        !isAmong(settings.bound_service_account_names, account.serviceaccount?.name),
        "service account name not authorized",
      ],
      [!isAmong(settings.bound_service_account_namespaces, account.namespace), "namespace not authorized"],
      [!isThere(claims), "lookup failed: token review"],
    ];
    return [...checks, ...(type === "kubernetes" ? ofKubernetes : [])].find(([isSo]) => isSo)?.[1];
  };
  const newSecretId = ({ settings, secretIds }: Role): string => {
    const secretId = `secret-id-${++made}`;
    secretIds.set(secretId, Number(settings.secret_id_num_uses ?? 0) || Number.POSITIVE_INFINITY);
    return secretId;
  };
  const roleAt = (question: Question, name: string, part: string | undefined): Answer => {
    const known = roles.get(name);
    if (question.method === "DELETE") return roles.delete(name) ? done() : failed(404);
    if (part === "role-id") return known ? ok({ data: { role_id: known.roleId } }) : failed(404);
    if (part === "secret-id") {
      return known ? ok({ data: { secret_id: newSecretId(known) } }) : failed(404);
    }
    const settings = { ...known?.settings, ...bodyOf(question) };
    roles.set(name, { roleId: `role-id-of-${mount}-${name}`, secretIds: new Map(), ...known, settings });
    return done();
  };
  return {
    type,
    handle(question, path) {
      const [first, name = "", part] = path.split("/");
      if (first === "login") return type === "approle" ? byAppRole(bodyOf(question)) : byJwt(bodyOf(question));
      return first === "role" ? roleAt(question, name, part) : done();
    },
  };
}

function isAmong(bound: unknown, name: string | undefined): boolean {
  const names = textsOf(bound);
  return names.includes("*") || names.includes(name ?? "");
}
