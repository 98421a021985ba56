import { type ErrorCode, SyncError } from "../errors.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { NamedObject } from "../ports/objects.ts";
import { nudgeReferring } from "../references/referring.ts";
import { asObject } from "../util/canonical.ts";
import type { JsonObject } from "../util/json.ts";

/** A sync with one of these errors waits until its Secret is released or gone. */
export const WAITS_FOR_A_SECRET: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>([
  "SECRET_NOT_OURS",
  "SECRET_TERMINATING",
]);

type WakeDeps = Pick<ReconcileDeps, "leases" | "queue" | "clock" | "log">;

/** Wakes the syncs that could not get a Secret: their rows wait for it by name. */
export interface ReleaseWaker {
  /** These Secrets of one cluster are gone or released. */
  wakeRefused(cluster: string, secrets: readonly Pick<NamedObject, "namespace" | "name">[]): Promise<void>;
}

export function releaseWaker(deps: WakeDeps): ReleaseWaker {
  return {
    async wakeRefused(cluster, secrets) {
      try {
        for (const { namespace, name } of secrets) await wakeRefused(deps, cluster, `${namespace}/${name}`);
      } catch (error) {
        if (!(error instanceof SyncError)) throw error;
        // They retry by themselves, only later.
        deps.log.warn("wake-failed", { cluster, code: error.code, message: error.message });
      }
    },
  };
}

/**
 * Nudges the syncs that could not get the Secret at this place (`namespace/name`). One that fails at this moment can't
 * be found yet: it verifies once more shortly afterwards (`settleFailed`).
 */
export async function wakeRefused(deps: WakeDeps, cluster: string, place: string): Promise<void> {
  const syncs = await nudgeReferring(deps, `destination:${cluster}/${place}`, { verify: true, atOnce: true });
  if (syncs > 0) deps.log.info("secret-released", { cluster, secret: place, syncs });
}

/** The name of the Secret in a spec, or undefined. */
export function destinationIn(spec: JsonObject): string | undefined {
  const name = asObject(spec.destination)?.name;
  return typeof name === "string" ? name : undefined;
}
