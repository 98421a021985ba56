import type { Clock } from "../clock.ts";
import type { PushApis } from "../destinations/destination.ts";
import { SyncError } from "../errors.ts";
import type { SyncKey } from "../keys.ts";
import type { VaultIdentity, VaultRead } from "../ports/vault.ts";
import type { VaultWrites } from "../ports/vault-writes.ts";
import type { CaCache } from "../references/ca-cache.ts";
import { simulatedWrites } from "./simulated-writes.ts";

export interface PushDeps {
  readonly writes: Pick<VaultWrites, "mountOf" | "read" | "mayDescribe">;
  readonly ca: CaCache;
  readonly clock: Clock;
}

/** Writes to Vault that are only noted. */
export function pushesOf({ writes, ca, clock }: PushDeps, signal: AbortSignal): PushApis {
  const reached = async (identity: VaultIdentity) => ({
    ...identity,
    target: await ca.resolve(identity.target, signal),
  });
  return { writes: simulatedWrites(writes), reached, clock };
}

/** Whether a path is one of another engine than kv: nobody knows without reading it whether that issues something. */
export async function mayIssue(deps: PushDeps, by: SyncKey, read: VaultRead, signal: AbortSignal): Promise<boolean> {
  const { identity, mount, path } = read;
  const { writes, reached } = pushesOf(deps, signal);
  const { namespace = identity.namespace } = read;
  const at = namespace === undefined ? identity : { ...identity, namespace };
  const who = { identity: await reached(at), by };
  try {
    await writes.mountOf(who, `${mount}/${path}`, signal);
    return false;
  } catch (error) {
    if (error instanceof SyncError) return error.code === "UNSUPPORTED";
    throw error;
  }
}
