import { type Answer, type Body, bodyOf, done, failed, msOf, ok, type Question, textsOf } from "./answers.ts";

type Meta = Readonly<Record<string, string>>;

export interface Token {
  readonly id: string;
  readonly accessor: string;
  readonly policies: readonly string[];
  /** What its login knows of it, such as the role's name. */
  readonly meta: Meta;
  readonly ttlMs: number;
  readonly madeAt: number;
  readonly maxMs: number;
  readonly isBatch: boolean;
  readonly isRenewable: boolean;
  /** Also when it was revoked. */
  endsAt: number;
  usesLeft: number | undefined;
}

/** Tokens of one Vault. */
export interface Tokens {
  /** The token of this text, if it lives still; one of its uses is used up. */
  use(id: string | undefined): Token | "root" | undefined;
  /** A login's answer, as its role says. */
  issue(role: Body, meta?: Meta): Answer;
  handle(question: Question, verb: string, token: Token | "root"): Answer;
  /** How many are alive. */
  alive(): readonly Token[];
  revokeAll(): void;
}

export const ROOT = "root-token";
const DEFAULT_TTL_MS = 32 * 24 * 3_600_000;

export function vaultTokens(now: () => number): Tokens {
  const tokens = new Map<string, Token>();
  let made = 0;
  const seconds = (ms: number): number => Math.max(0, Math.round(ms / 1_000));
  const authOf = (token: Token) => ({
    auth: {
      client_token: token.id,
      accessor: token.accessor,
      policies: token.policies,
      lease_duration: seconds(token.endsAt - now()),
      renewable: token.isRenewable,
      token_type: token.isBatch ? "batch" : "service",
      num_uses: token.usesLeft ?? 0,
    },
  });
  const alive = (): Token[] => [...tokens.values()].filter((token) => now() < token.endsAt && token.usesLeft !== 0);
  const revoke = (token: Token): void => {
    token.endsAt = Math.min(token.endsAt, now());
    tokens.delete(token.id);
  };
  const revokeAccessor = (accessor: unknown): Answer => {
    for (const one of tokens.values()) if (one.accessor !== "" && one.accessor === accessor) revoke(one);
    return done();
  };
  const shown = (token: Token): Answer => {
    const { accessor, policies, meta } = token;
    const ttl = seconds(token.endsAt - now());
    const [made, life] = [Math.floor(token.madeAt / 1_000), seconds(Math.min(token.ttlMs, token.maxMs))];
    const facts = { creation_time: made, creation_ttl: life, renewable: token.isRenewable, num_uses: 0 };
    const type = token.isBatch ? "batch" : "service";
    return ok({ data: { accessor, policies, meta, ttl, type, ...facts } });
  };
  /** A batch token has no accessor. */
  const withAccessor = (): Token[] => alive().filter(({ accessor }) => accessor !== "");
  const lookUpAccessor = (asked: unknown): Answer => {
    const token = withAccessor().find(({ accessor }) => accessor === asked);
    return token === undefined ? failed(403, "1 error occurred:\n\t* invalid accessor\n\n") : shown(token);
  };
  const renewed = (token: Token, { increment }: Body): Answer => {
    if (token.isBatch) return failed(400, "batch tokens cannot be renewed");
    if (!token.isRenewable) return failed(400, "lease is not renewable");
    // It was revoked while its renewal was worked on.
    if (token.endsAt <= now()) return failed(403, "permission denied");
    const askedMs = Number(increment ?? 0) * 1_000 || token.ttlMs;
    token.endsAt = Math.min(now() + askedMs, token.madeAt + token.maxMs);
    return ok(authOf(token));
  };
  const ofSelf = (question: Question, verb: string, token: Token): Answer => {
    if (verb === "lookup-self") return shown(token);
    if (verb === "renew-self") return renewed(token, bodyOf(question));
    if (verb !== "revoke-self") return failed(404, "unsupported path");
    if (token.isBatch) return failed(400, "batch tokens cannot be revoked");
    revoke(token);
    return done();
  };
  return {
    use(id) {
      if (id === ROOT) return "root";
      const token = tokens.get(id ?? "");
      if (token === undefined || now() >= token.endsAt || token.usesLeft === 0) return undefined;
      if (token.usesLeft !== undefined) token.usesLeft -= 1;
      return token;
    },
    issue(role, meta = {}) {
      const token = tokenOf(role, meta, ++made, now());
      for (const [id, { endsAt }] of tokens) if (endsAt <= now()) tokens.delete(id);
      tokens.set(token.id, token);
      return ok(authOf(token));
    },
    handle(question, verb, token) {
      if (verb === "accessors") return ok({ data: { keys: withAccessor().map(({ accessor }) => accessor) } });
      if (verb === "lookup-accessor") return lookUpAccessor(bodyOf(question).accessor);
      if (verb === "revoke-accessor") return revokeAccessor(bodyOf(question).accessor);
      return token === "root" ? ok({ data: { id: ROOT } }) : ofSelf(question, verb, token);
    },
    alive,
    revokeAll: () => {
      for (const token of [...tokens.values()]) revoke(token);
    },
  };
}

function tokenOf(role: Body, meta: Meta, number: number, madeAt: number): Token {
  const ttlMs = msOf(role.token_ttl) || DEFAULT_TTL_MS;
  const maxMs = msOf(role.token_max_ttl) || DEFAULT_TTL_MS;
  const uses = Number(role.token_num_uses ?? 0);
  const isBatch = role.token_type === "batch";
  return {
    id: `${isBatch ? "hvb" : "hvs"}.${String(number).padStart(24, "0")}`,
    accessor: isBatch ? "" : `accessor-${number}`,
    policies: [...(role.token_no_default_policy === true ? [] : ["default"]), ...textsOf(role.token_policies)],
    ...{ meta, ttlMs, maxMs, madeAt, isBatch },
    isRenewable: !isBatch && uses === 0,
    endsAt: madeAt + Math.min(ttlMs, maxMs),
    usesLeft: uses > 0 ? uses : undefined,
  };
}
