import { type EpochMs, HOUR_MS } from "../clock.ts";
import type { SyncKey } from "../keys.ts";
import type { ActiveToken } from "./active-token.ts";
import { revokeOwn } from "./token-ending.ts";
import type { TokensDeps } from "./tokens-deps.ts";

/** A token that is unused for so long is revoked, or left to other processes if it is stored. */
const IDLE_MS = HOUR_MS;

/** A token that this process holds. */
export interface Entry {
  token: ActiveToken;
  usedAt: EpochMs;
  renewing: boolean;
  /** How many requests remain, for a token with limited uses. */
  usesLeft: number;
  by: SyncKey | undefined;
  /** Identifies the stored copy; undefined: not stored. */
  serial: string | undefined;
  /** It may have ended: it is asked about itself before its next use. */
  isDoubted: boolean;
  /** When it last answered that. */
  provenAt: EpochMs;
}

/** By identity. */
export type TokenEntries = Map<string, Entry>;

export function entryOf(token: ActiveToken, now: EpochMs, by: SyncKey | undefined, serial: string | undefined): Entry {
  const usesLeft = token.uses === 0 ? Number.POSITIVE_INFINITY : token.uses;
  return { token, usedAt: now, renewing: false, usesLeft, by, serial, isDoubted: false, provenAt: 0 };
}

export function hold(entries: TokenEntries, entry: Entry, signal: AbortSignal): Entry {
  if (!signal.aborted) entries.set(entry.token.identity.id, entry);
  return entry;
}

/** Takes one use of the token; undefined when none is left. */
export function taken(entry: Entry): ActiveToken | undefined {
  if (entry.usesLeft <= 0) return undefined;
  entry.usesLeft -= 1;
  return entry.token;
}

/** Forgets ended tokens, and revokes unused ones unless they are stored for other processes. */
export function dropUnused(deps: TokensDeps, entries: TokenEntries): void {
  const now = deps.clock();
  for (const [id, { token, usedAt, serial }] of entries) {
    const ended = now >= token.staleAt;
    if (!ended && now - usedAt < IDLE_MS) continue;
    entries.delete(id);
    if (!ended && serial === undefined) void revokeOwn(deps, token);
  }
}
