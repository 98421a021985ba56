import { join } from "node:path";
import { type EpochMs, HOUR_MS } from "../../lib/clock.ts";
import { KEY_HASH_PATTERN, keyHash } from "../../lib/injector-keys.ts";
import { readOwn, writeOwn } from "./own-files.ts";

/**
 * Hashes of the keys that keyferry made for a cluster, and that are refused now. A registration that comes back from a
 * backup has one of them: without its hash, it would look like that of another keyferry.
 */

const KEPT_MS = 365 * 24 * HOUR_MS;
const MOST = 4;

export interface EndedKeys {
  has(cluster: string, key: string, now: EpochMs): boolean;
  /** They end now. */
  add(keys: readonly (readonly [cluster: string, key: string])[], now: EpochMs): void;
}

/** The last one that ended comes first. */
type Stored = Readonly<Record<string, readonly { readonly hash: string; readonly until: EpochMs }[]>>;

/** Keeps them in the data directory. Only the process with its lock does that. */
export function endedKeys(dataDir: string): EndedKeys {
  const path = join(dataDir, "injector-ended-keys.json");
  let stored: Stored = readOwn(path, areHashes) ?? {};
  return {
    has(cluster, key, now) {
      const known = Object.hasOwn(stored, cluster) ? (stored[cluster] ?? []) : [];
      const hash = keyHash(key);
      return known.some((one) => one.hash === hash && now < one.until);
    },
    add(keys, now) {
      if (keys.length === 0) return;
      const more = Map.groupBy(keys, ([cluster]) => cluster);
      const clusters = new Set([...more.keys(), ...Object.keys(stored)]);
      const all = [...clusters].map((cluster) => {
        const ended = (more.get(cluster) ?? []).map(([, key]) => ({ hash: keyHash(key), until: now + KEPT_MS }));
        const before = (Object.hasOwn(stored, cluster) ? stored[cluster] : undefined) ?? [];
        return [cluster, [...ended, ...before.filter(({ until }) => now < until)].slice(0, MOST)] as const;
      });
      const changed = Object.fromEntries(all.filter(([, hashes]) => hashes.length > 0));
      writeOwn(path, changed);
      stored = changed;
    },
  };
}

function areHashes(value: unknown): value is Stored {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((hashes) => Array.isArray(hashes) && hashes.every(isHash));
}

function isHash(value: unknown): boolean {
  const { hash, until } = (value ?? {}) as { readonly hash?: unknown; readonly until?: unknown };
  return typeof hash === "string" && KEY_HASH_PATTERN.test(hash) && Number.isFinite(until);
}
