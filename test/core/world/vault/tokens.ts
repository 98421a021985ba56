import { type Answer, type Body, bodyOf, done, failed, msOf, ok, type Question, textsOf } from "./answers.ts";

export interface Token {
  readonly id: string;
  readonly accessor: string;
  readonly policies: readonly string[];
  readonly ttlMs: number;
  readonly madeAt: number;
  readonly maxMs: number;
  endsAt: number;
  usesLeft: number | undefined;
}

/** Tokens of one Vault. */
export interface Tokens {
  /** The token of this text, if it lives still; one of its uses is used up. */
  use(id: string | undefined): Token | "root" | undefined;
  /** A login's answer, as its role says. */
  issue(role: Body): Answer;
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
      renewable: token.usesLeft === undefined,
      token_type: "service",
      num_uses: token.usesLeft ?? 0,
    },
  });
  const alive = (): Token[] => [...tokens.values()].filter((token) => now() < token.endsAt && token.usesLeft !== 0);
  const revokeAccessor = (accessor: unknown): Answer => {
    for (const one of tokens.values()) if (one.accessor === accessor) tokens.delete(one.id);
    return done();
  };
  const ofSelf = (verb: string, token: Token): Answer => {
    if (verb === "lookup-self") return ok({ data: { accessor: token.accessor, policies: token.policies } });
    if (verb === "revoke-self") {
      tokens.delete(token.id);
      return done();
    }
    if (verb !== "renew-self") return failed(404, "unsupported path");
    token.endsAt = Math.min(now() + token.ttlMs, token.madeAt + token.maxMs);
    return ok(authOf(token));
  };
  return {
    use(id) {
      if (id === ROOT) return "root";
      const token = tokens.get(id ?? "");
      if (token === undefined || now() >= token.endsAt || token.usesLeft === 0) return undefined;
      if (token.usesLeft !== undefined) token.usesLeft -= 1;
      return token;
    },
    issue(role) {
      const ttlMs = msOf(role.token_ttl) || DEFAULT_TTL_MS;
      const uses = Number(role.token_num_uses ?? 0);
      const number = ++made;
      const token: Token = {
        id: `hvs.${String(number).padStart(24, "0")}`,
        accessor: `accessor-${number}`,
        policies: [...(role.token_no_default_policy === true ? [] : ["default"]), ...textsOf(role.token_policies)],
        ttlMs,
        madeAt: now(),
        maxMs: msOf(role.token_max_ttl) || DEFAULT_TTL_MS,
        endsAt: now() + ttlMs,
        usesLeft: uses > 0 ? uses : undefined,
      };
      tokens.set(token.id, token);
      return ok(authOf(token));
    },
    handle(question, verb, token) {
      if (verb === "accessors") return ok({ data: { keys: alive().map(({ accessor }) => accessor) } });
      if (verb === "revoke-accessor") return revokeAccessor(bodyOf(question).accessor);
      return token === "root" ? ok({ data: { id: ROOT } }) : ofSelf(verb, token);
    },
    alive,
    revokeAll: () => tokens.clear(),
  };
}
