import { SyncError } from "../errors.ts";
import type { VaultAnswer } from "./answer.ts";
import { type Asked, describe } from "./asked.ts";

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * The URL to follow, if any. Vault redirects with 307 only, from a standby to the active node: another host, but the
 * same scheme, path and query. Any other redirect must not receive a token.
 */
export function redirectedTo(answer: VaultAnswer, from: URL, asked: Asked): URL | undefined {
  if (!REDIRECTS.has(answer.status)) return undefined;
  const to = answer.location === undefined ? null : URL.parse(answer.location, from.href);
  const isStandby = answer.status === 307 && to !== null && to.protocol === from.protocol && sameQuestion(from, to);
  if (isStandby && to.username === "" && to.password === "") return to;
  const where = to === null ? "nowhere" : `to ${to.origin}`;
  throw new SyncError(
    "VAULT_ANSWER_INVALID",
    `${describe(asked)} is redirected ${where} (${answer.status}), unlike by a standby of Vault: use the address of Vault itself`,
    { outcome: "none" },
  );
}

/** A standby knows only its own path, without a prefix that a proxy put before `/v1/`. */
function sameQuestion(from: URL, to: URL): boolean {
  const asked = from.pathname.slice(from.pathname.indexOf("/v1/"));
  return decoded(to.pathname) === decoded(asked) && to.search === from.search;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
