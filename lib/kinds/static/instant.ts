import type { InstantState } from "../../ports/instant-updates.ts";
import type { ObtainInput } from "../kind.ts";
import type { ResolvedStaticSecret } from "./resolve.ts";

/** Asks to be told of changes, and returns what is known about that. Undefined where nothing keeps a connection open. */
export async function instantState(run: ObtainInput<ResolvedStaticSecret>): Promise<InstantState | undefined> {
  const { resolved, deps, claim, reached } = run;
  if (!resolved.instantUpdates) {
    deps.instant?.forget(claim.row.key);
    return undefined;
  }
  const { identity, namespace } = resolved.read;
  return deps.instant?.want({
    key: claim.row.key,
    identity: await reached(identity),
    vault: resolved.asks.place.vault,
    ...(namespace === undefined ? {} : { namespace }),
  });
}
