import { asObject } from "../canonical.ts";
import type { EpochMs } from "../clock.ts";
import { type ErrorCode, SyncError } from "../errors.ts";
import type { JsonObject } from "../json.ts";
import { isCleanupKey, partsOf } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { NamedObject } from "../ports/objects.ts";
import type { Row } from "../ports/rows.ts";
import type { Due, RowSummary } from "../ports/store.ts";
import { sendDue } from "../schedule/messages.ts";

/** Who is refused a Secret by these waits for it to be released, or to be gone. */
export const WAITS_FOR_A_SECRET: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>([
  "SECRET_NOT_OURS",
  "SECRET_TERMINATING",
]);

type WakeDeps = Pick<ReconcileDeps, "leases" | "queue" | "clock" | "log">;

/** Wakes who was refused a Secret. What is released in one moment costs one pass through the cluster's rows. */
export interface ReleaseWaker {
  /** These Secrets of one cluster are gone, or nobody's any more. */
  wakeRefused(cluster: string, secrets: readonly Pick<NamedObject, "namespace" | "name">[]): Promise<void>;
}

export function releaseWaker(deps: WakeDeps): ReleaseWaker {
  const coming = new Map<string, { readonly places: Set<string>; readonly ended: Promise<void> }>();
  const latest = new Map<string, Promise<void>>();
  const wake = async (cluster: string, places: ReadonlySet<string>): Promise<void> => {
    try {
      await wakeRefused(deps, cluster, places);
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      // They come back by themselves, only later.
      deps.log.warn("wake-failed", { cluster, code: error.code, message: error.message });
    }
  };
  const begin = (cluster: string) => {
    const places = new Set<string>();
    const before = latest.get(cluster) ?? Promise.resolve();
    const ended = before
      .catch(() => undefined)
      .then(() => {
        coming.delete(cluster);
        return wake(cluster, places);
      });
    const gathering = { places, ended };
    coming.set(cluster, gathering);
    latest.set(cluster, ended);
    return gathering;
  };
  return {
    async wakeRefused(cluster, secrets) {
      if (secrets.length === 0) return;
      const gathering = coming.get(cluster) ?? begin(cluster);
      for (const { namespace, name } of secrets) gathering.places.add(`${namespace}/${name}`);
      await gathering.ended;
    },
  };
}

/**
 * Nudges the syncs whose destination is among these places (`namespace/name`) and who were refused it. Those that are at work
 * now may be about to be refused, so they look once more as well.
 */
export async function wakeRefused(
  deps: WakeDeps,
  cluster: string,
  places: ReadonlySet<string>,
  known?: readonly RowSummary[],
): Promise<void> {
  const namespaces = new Set([...places].map((place) => place.split("/")[0]));
  const summaries = known ?? (await deps.leases.byCluster(cluster));
  const now = deps.clock();
  const keys = summaries
    .filter((row) => namespaces.has(partsOf(row.key).namespace) && !isCleanupKey(row.key) && mayWait(row, now))
    .map(({ key }) => key);
  if (keys.length === 0) return;
  const dues: Due[] = [];
  for (const row of (await deps.leases.read(keys, "strong")).values()) {
    const place = `${partsOf(row.key).namespace}/${destinationIn(row.declared.spec)}`;
    if (!places.has(place) || !isRefused(row, now)) continue;
    deps.log.info("secret-released", { key: row.key, secret: place });
    const due = await deps.leases.nudge(row.key, { now, verify: true, atOnce: true });
    if (due) dues.push(due);
  }
  await sendDue(deps.queue, dues, now);
}

function mayWait({ error, leaseUntil }: Pick<RowSummary, "error" | "leaseUntil">, now: EpochMs): boolean {
  return WAITS_FOR_A_SECRET.has(error?.code) || (leaseUntil !== undefined && leaseUntil > now);
}

function isRefused({ state, leaseUntil }: Row, now: EpochMs): boolean {
  return mayWait({ ...(state.error && { error: state.error }), ...(leaseUntil !== undefined && { leaseUntil }) }, now);
}

/** The name of the Secret that a spec asks for; undefined when it names none. */
export function destinationIn(spec: JsonObject): string | undefined {
  const name = asObject(spec.destination)?.name;
  return typeof name === "string" ? name : undefined;
}
