import { join } from "node:path";
import { type EpochMs, HOUR_MS, MINUTE_MS } from "../../lib/clock.ts";
import { KEY_BYTES, KEY_PATTERN, keyOf } from "../../lib/injector-keys.ts";
import { readOwn, writeOwn } from "./own-files.ts";

/** The keys of clusters whose registration keyferry manages: it makes them itself, and replaces them. */

interface ManagedKey {
  readonly key: string;
  readonly madeAt: EpochMs;
  /** Since when the cluster's API server has it. */
  readonly registeredAt?: EpochMs;
}

type Stored = Readonly<Record<string, readonly ManagedKey[]>>;

const REPLACE_MS = 60 * 24 * HOUR_MS;
/** API servers use a changed registration within seconds. */
const OVERLAP_MS = 10 * MINUTE_MS;

export interface ManagedKeys {
  /** The keys that are valid for a cluster, at most two. */
  of(cluster: string): readonly string[];
  /** The key to register now; makes one if there is none, or if the last one is old. */
  wanted(cluster: string, now: EpochMs): string;
  /** Its API server has this key. An older one is not valid for much longer. */
  registered(cluster: string, key: string, now: EpochMs): void;
}

/** Keeps them in the data directory. Only the process with its lock does that. */
export function managedKeys(dataDir: string, randomBytes: (bytes: number) => Buffer): ManagedKeys {
  const path = join(dataDir, "injector-keys.json");
  let stored: Stored = readOwn(path, areKeys) ?? {};
  const put = (cluster: string, keys: readonly ManagedKey[]): void => {
    stored = { ...stored, [cluster]: keys };
    writeOwn(path, stored);
  };
  return {
    of: (cluster) => (stored[cluster] ?? []).map(({ key }) => key),
    wanted(cluster, now) {
      const [newest, ...older] = stored[cluster] ?? [];
      const isOver = newest?.registeredAt !== undefined && now - newest.registeredAt >= OVERLAP_MS;
      if (newest !== undefined && older.length > 0 && isOver) put(cluster, [newest]);
      // One that no API server has needs no successor, which would push out the one that it has.
      const isYoung = newest !== undefined && now - newest.madeAt < REPLACE_MS;
      if (newest !== undefined && (isYoung || newest.registeredAt === undefined)) return newest.key;
      const made: ManagedKey = { key: keyOf(randomBytes(KEY_BYTES)), madeAt: now };
      put(cluster, newest === undefined ? [made] : [made, newest]);
      return made.key;
    },
    registered(cluster, key, now) {
      const keys = stored[cluster] ?? [];
      const isNew = keys.some((one) => one.key === key && one.registeredAt === undefined);
      if (isNew)
        put(
          cluster,
          keys.map((one) => (one.key === key ? { ...one, registeredAt: now } : one)),
        );
    },
  };
}

/** The newest key of a cluster, for commands beside a running engine. */
export function managedKeyOf(dataDir: string, cluster: string): string | undefined {
  return readOwn(join(dataDir, "injector-keys.json"), areKeys)?.[cluster]?.[0]?.key;
}

function areKeys(value: unknown): value is Stored {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((keys) => Array.isArray(keys) && keys.every(isKey));
}

function isKey(value: unknown): value is ManagedKey {
  const { key, madeAt } = (value ?? {}) as Partial<Record<keyof ManagedKey, unknown>>;
  return typeof key === "string" && KEY_PATTERN.test(key) && Number.isFinite(madeAt);
}
