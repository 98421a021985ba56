import { SyncError } from "../errors.ts";
import type { ActiveToken } from "./active-token.ts";
import type { VaultAnswer } from "./answer.ts";
import type { Asker } from "./token-logins.ts";
import type { Tokens } from "./tokens.ts";
import type { VaultClient, VaultQuestion } from "./vault-client.ts";

/** First by a token that another process stored, then by a login of our own. */
const MAX_REPLACEMENTS = 2;

/**
 * Asks with the identity's shared token, and after a 403 with another one. Vault has not done what it answers with 403,
 * so this may ask again what must not be repeated otherwise.
 */
export async function askShared(
  { client, tokens }: { readonly client: VaultClient; readonly tokens: Tokens },
  asker: Asker,
  question: VaultQuestion,
  signal: AbortSignal,
): Promise<VaultAnswer> {
  const ask = async ({ value, index }: ActiveToken): Promise<VaultAnswer> => {
    const { target } = asker.identity;
    const answer = await client.ask(target, { ...question, token: value, index }, signal);
    // Nothing was done. The node is behind, and this way its own answer tells how far.
    return answer.status === 412 && index !== undefined
      ? client.ask(target, { ...question, token: value }, signal)
      : answer;
  };
  let token: ActiveToken | undefined = await tokens.token(asker, signal);
  let answer = await ask(token);
  for (let times = 0; answer.status === 403 && times < MAX_REPLACEMENTS; times++) {
    token = await tokens.replacement(asker, { token, isSecond: times > 0 }, signal);
    if (token === undefined) break;
    answer = await ask(token);
  }
  return answer;
}

/** A caller that leaves a shared login gets its own signal's reason. */
export function givenUp(error: unknown, signal: AbortSignal): unknown {
  if (error instanceof SyncError || !signal.aborted) return error;
  return new SyncError("DEADLINE_EXCEEDED", "A request to Vault ran out of time while it waited for a login", {
    outcome: "none",
  });
}
