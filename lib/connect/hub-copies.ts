import { circuitOfCluster } from "../circuits.ts";
import { type Clock, type EpochMs, HOUR_MS } from "../clock.ts";
import { fingerprint } from "../digest.ts";
import { type ErrorCode, SyncError } from "../errors.ts";
import type { HubWay } from "../fleet/connect-schema.ts";
import { type HubAccess, leadsTo } from "../hubs/objects/login.ts";
import type { Log } from "../ports/telemetry.ts";
import type { StoredToken } from "../ports/tokens.ts";
import { lazySealer } from "../vault/lazy-sealer.ts";
import type { TokenCacheOptions } from "../vault/token-cache.ts";
import { softly } from "./softly.ts";
import type { SweptFleet } from "./swept-fleet.ts";

/** What a hub last said of the way to a cluster, credentials included. */
export interface HubCopy {
  readonly access: HubAccess;
  /** Members of a kubeconfig's user, where a Secret beside the object has them. */
  readonly user?: Readonly<Record<string, string>>;
}

/**
 * Copies of what hubs said, sealed beside the lease table: with them a process that starts while a hub is away reaches
 * its clusters. They are used for nothing else, and end a day after the hub was read. A failure here costs no cluster.
 */
export interface HubCopies {
  keep(cluster: string, way: HubWay, copy: HubCopy): Promise<void>;
  /** Undefined: there is none, or the object led elsewhere then. */
  find(cluster: string, way: HubWay): Promise<HubCopy | undefined>;
  /** The API server refused the copy that was found last: this process does not use it again. */
  refuse(cluster: string): void;
  /** Removes those that ended; and, unless a hub is unread, those of clusters that no hub has any more. */
  sweep(fleet: SweptFleet): Promise<void>;
}

const ID = "hub-copy/";

/** Whether a stored text is such a copy, and no token. */
export function isHubCopy({ id }: Pick<StoredToken, "id">): boolean {
  return id.startsWith(ID);
}

/** How long a copy may be used after the hub was read. */
const GOOD_MS = 24 * HOUR_MS;
/** A copy that says the same is written again when it is this old. */
const RENEWED_MS = 12 * HOUR_MS;
/** In characters. The CA and the certificates of an object can have any size, but items of a store can't. */
const MAX_SEALED = 256 * 1024;

/** The hub did not answer, or not in time. What it refuses, or says that it does not have, is no reason for a copy. */
const AWAY: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "KUBE_UNREACHABLE",
  "KUBE_NO_ANSWER",
  "KUBE_FAILED",
  "KUBE_THROTTLED",
  "DEADLINE_EXCEEDED",
]);

/** Whether a hub that fails so is away. */
export function isHubAway(error: unknown): error is SyncError {
  return error instanceof SyncError && AWAY.has(error.code);
}

interface Plain {
  readonly hub: string;
  readonly object: string;
  /** uid of the cluster's kube-system. */
  readonly uid: string;
  readonly copy: HubCopy;
}

interface Kept {
  readonly hash: string;
  readonly at: EpochMs;
}

export function hubCopies(options: TokenCacheOptions, { clock, log }: { clock: Clock; log: Log }): HubCopies {
  const { store } = options;
  const box = sealedCopies(options);
  const kept = new Map<string, Kept>();
  /** Serials of copies. */
  const used = new Map<string, string>();
  const refused = new Map<string, string>();
  const orNothing = softly(log, "hub-copy-failed");
  const isYoung = ({ at }: Pick<Kept, "at">): boolean => clock() - at < RENEWED_MS;

  return {
    async keep(cluster, way, copy) {
      if (way.uid === undefined || leadsTo(copy.access) !== way.leadsTo) return;
      const plain: Plain = { hub: way.hub, object: way.object, uid: way.uid, copy };
      const text = JSON.stringify(plain);
      const hash = fingerprint(text);
      const last = kept.get(cluster);
      if (last?.hash === hash && isYoung(last)) return;
      await orNothing(async () => {
        const now = clock();
        const before = await box.read(cluster);
        const at = (before?.token.endsAt ?? 0) - GOOD_MS;
        if (before?.text === text && isYoung({ at })) {
          kept.set(cluster, { hash, at });
          return;
        }
        const written = await box.write(cluster, text, now + GOOD_MS, before?.token);
        // Another process that was first has read the hub as well.
        if (written !== "taken") kept.set(cluster, { hash, at: now });
        if (written === "too-large") log.warn("hub-copy-too-large", { cluster, hub: way.hub, object: way.object });
      });
    },
    find: (cluster, way) =>
      orNothing(async () => {
        const found = await box.read(cluster);
        if (found === undefined) return undefined;
        const { token, text } = found;
        if (clock() >= token.endsAt) return void (await store.removeToken(token));
        if (text === undefined || refused.get(cluster) === token.serial) return undefined;
        // Not validated: nobody else has the key.
        const plain = JSON.parse(text) as Plain;
        if (!isOf(plain, way)) return undefined;
        used.set(cluster, token.serial);
        log.warn("hub-copy-used", { cluster, hub: way.hub, until: new Date(token.endsAt).toISOString() });
        return plain.copy;
      }),
    refuse(cluster) {
      const serial = used.get(cluster);
      if (serial !== undefined) refused.set(cluster, serial);
    },
    async sweep({ clusters, unread = [] }) {
      const ids = new Set(clusters.filter(({ connect }) => connect.hub).map(({ name }) => `${ID}${name}`));
      await orNothing(async () => {
        const copies = (await store.tokens("fleet")).filter(isHubCopy);
        for (const copy of copies) {
          const stays = unread.length > 0 || ids.has(copy.id);
          if (stays && clock() < copy.endsAt) continue;
          await store.removeToken(copy);
          for (const known of [kept, used, refused]) known.delete(copy.id.slice(ID.length));
        }
      });
    },
  };
}

/** Whether it is what this object said of this way to this API server. */
function isOf({ hub, object, uid, copy }: Plain, way: HubWay): boolean {
  return hub === way.hub && object === way.object && uid === way.uid && leadsTo(copy.access) === way.leadsTo;
}

/** Each copy is bound to its installation, cluster and end: who writes the table alone can't change them. */
function sealedCopies(options: TokenCacheOptions) {
  const { store, installation } = options;
  const ready = lazySealer(options);
  const contextOf = ({ id, endsAt }: Pick<StoredToken, "id" | "endsAt">): string =>
    JSON.stringify(["hub-copy", installation, id, endsAt]);
  return {
    /** Without a text: it can't be opened. */
    async read(cluster: string): Promise<{ readonly token: StoredToken; readonly text?: string } | undefined> {
      const token = await store.token("fleet", `${ID}${cluster}`);
      if (token === undefined) return undefined;
      const text = (await ready()).open(token.sealed, contextOf(token))?.toString("utf8");
      return { token, ...(text === undefined ? {} : { text }) };
    },
    async write(
      cluster: string,
      text: string,
      endsAt: EpochMs,
      before: StoredToken | undefined,
    ): Promise<"kept" | "taken" | "too-large"> {
      const at = { id: `${ID}${cluster}`, scope: "fleet", circuit: circuitOfCluster(cluster), endsAt } as const;
      const { text: sealed, serial } = (await ready()).seal(Buffer.from(text), contextOf(at));
      if (sealed.length <= MAX_SEALED) {
        return (await store.putToken({ ...at, serial, sealed }, before?.serial)) ? "kept" : "taken";
      }
      // What was said before counts no more.
      if (before !== undefined) await store.removeToken(before);
      return "too-large";
    },
  };
}
