import { join } from "node:path";
import { type EpochMs, HOUR_MS, MINUTE_MS } from "../../lib/clock.ts";
import { KEY_BYTES, KEY_PATTERN, keyOf } from "../../lib/injector-keys.ts";
import { type EndedKeys, endedKeys } from "./ended-keys.ts";
import { readOwn, writeOwn } from "./own-files.ts";

/** The keys of clusters whose registration keyferry manages: it makes them itself, and replaces them. */

interface ManagedKey {
  readonly key: string;
  readonly madeAt: EpochMs;
  /** Since when the cluster's API server has it. */
  readonly registeredAt?: EpochMs;
  /** Since when keyferry no longer manages the registration. */
  readonly unmanagedAt?: EpochMs;
}

type Stored = Readonly<Record<string, readonly ManagedKey[]>>;

const DAY_MS = 24 * HOUR_MS;
const REPLACE_MS = 60 * DAY_MS;
/** API servers use a changed registration within seconds. */
const OVERLAP_MS = 10 * MINUTE_MS;
/** A registration that keyferry no longer manages has the key until a person removes it. */
const UNMANAGED_MS = 7 * DAY_MS;

export interface ManagedKeys {
  /** The keys that are valid for a cluster now, at most two. */
  of(cluster: string, now: EpochMs): readonly string[];
  /** Whether this is a former key of the cluster. It tells whose a registration is, and lets in no review. */
  readonly hasEnded: EndedKeys["has"];
  /** The key to register now; makes one if there is none, or if the last one is old. */
  wanted(cluster: string, now: EpochMs): string;
  /** Its API server has this key. An older one is valid for ten minutes more. */
  registered(cluster: string, key: string, now: EpochMs): void;
  /**
   * These are the clusters that are managed. Answers the other ones that have a key: `ending` since now, with the time of
   * its end, and `ended`.
   */
  manages(clusters: ReadonlySet<string>, now: EpochMs): Unmanaged;
}

interface Unmanaged {
  readonly ending: readonly { readonly cluster: string; readonly by: EpochMs }[];
  readonly ended: readonly string[];
}

/** Keeps them in the data directory. Only the process with its lock does that. */
export function managedKeys(dataDir: string, randomBytes: (bytes: number) => Buffer): ManagedKeys {
  const path = join(dataDir, "injector-keys.json");
  let stored: Stored = readOwn(path, areKeys) ?? {};
  const ended = endedKeys(dataDir);
  const keysOf = (cluster: string): readonly ManagedKey[] => storedOf(stored, cluster);
  const putAll = (changed: Stored, now: EpochMs): void => {
    ended.add(goneFrom(stored, changed), now);
    // First the file: a key that it does not have must not come into a registration, which outlives this process.
    writeOwn(path, changed);
    stored = changed;
  };
  const put = (cluster: string, keys: readonly ManagedKey[], now: EpochMs): void =>
    putAll({ ...stored, [cluster]: keys }, now);
  return {
    hasEnded: ended.has,
    of: (cluster, now) => valid(keysOf(cluster), now).map(({ key }) => key),
    wanted(cluster, now) {
      const all = keysOf(cluster);
      const left = valid(all, now).map(({ unmanagedAt: _, ...managed }) => managed);
      const [newest] = left;
      // One that no API server has needs no successor, which would push out the one that it has.
      const isYoung = newest !== undefined && now - newest.madeAt < REPLACE_MS;
      const isKept = newest !== undefined && (isYoung || newest.registeredAt === undefined);
      const made = { key: isKept ? newest.key : keyOf(randomBytes(KEY_BYTES)), madeAt: now };
      const keys = isKept ? left : [made, ...left.slice(0, 1)];
      if (!isKept || all.length !== left.length || all.some(({ unmanagedAt }) => unmanagedAt !== undefined)) {
        put(cluster, keys, now);
      }
      return made.key;
    },
    registered(cluster, key, now) {
      const keys = keysOf(cluster);
      const isNew = keys.some((one) => one.key === key && one.registeredAt === undefined);
      if (isNew)
        put(
          cluster,
          keys.map((one) => (one.key === key ? { ...one, registeredAt: now } : one)),
          now,
        );
    },
    manages(clusters, now) {
      const others = Object.entries(stored).filter(([cluster]) => !clusters.has(cluster));
      const over = others.filter(([, keys]) => valid(keys, now).length === 0).map(([cluster]) => cluster);
      const ending = others.filter(([, keys]) => keys.every(({ unmanagedAt }) => unmanagedAt === undefined));
      if (over.length + ending.length > 0) {
        const marked = ending.map(
          ([cluster, keys]) => [cluster, keys.map((one) => ({ ...one, unmanagedAt: now }))] as const,
        );
        const left = Object.entries({ ...stored, ...Object.fromEntries(marked) });
        putAll(Object.fromEntries(left.filter(([cluster]) => !over.includes(cluster))), now);
      }
      return { ended: over, ending: ending.map(([cluster]) => ({ cluster, by: now + UNMANAGED_MS })) };
    },
  };
}

/** The keys that a change takes away, by cluster. */
function goneFrom(stored: Stored, changed: Stored): readonly (readonly [cluster: string, key: string])[] {
  return Object.entries(stored).flatMap(([cluster, keys]) => {
    const left = new Set(storedOf(changed, cluster).map(({ key }) => key));
    return keys.flatMap(({ key }) => (left.has(key) ? [] : [[cluster, key] as const]));
  });
}

/** A cluster may be called as what every object has, such as `constructor`. */
function storedOf(stored: Stored, cluster: string): readonly ManagedKey[] {
  return Object.hasOwn(stored, cluster) ? (stored[cluster] ?? []) : [];
}

/** The newest, and the one before it, until its end. */
function valid(keys: readonly ManagedKey[], now: EpochMs): readonly ManagedKey[] {
  const registeredAt = keys[0]?.registeredAt;
  const isReplaced = registeredAt !== undefined && now - registeredAt >= OVERLAP_MS;
  return keys
    .slice(0, isReplaced ? 1 : 2)
    .filter(({ unmanagedAt }) => unmanagedAt === undefined || now - unmanagedAt < UNMANAGED_MS);
}

/** The newest key of a cluster, for commands beside a running engine. */
export function managedKeyOf(dataDir: string, cluster: string, now: EpochMs): string | undefined {
  const stored = readOwn(join(dataDir, "injector-keys.json"), areKeys) ?? {};
  return valid(storedOf(stored, cluster), now)[0]?.key;
}

function areKeys(value: unknown): value is Stored {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((keys) => Array.isArray(keys) && keys.every(isKey));
}

function isKey(value: unknown): value is ManagedKey {
  const { key, madeAt } = (value ?? {}) as Partial<Record<keyof ManagedKey, unknown>>;
  return typeof key === "string" && KEY_PATTERN.test(key) && Number.isFinite(madeAt);
}
