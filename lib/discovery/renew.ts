import type { SyncKey } from "../keys.ts";
import type { Due } from "../ports/store.ts";
import { sendDue } from "../schedule/messages.ts";
import type { DiscoveryDeps } from "./deps.ts";

/** How many rows are written at once. */
const PAGE = 500;

/** Runs every sync and reference of a cluster again, because its settings in the fleet changed. */
export async function renewAll(
  deps: Pick<DiscoveryDeps, "leases" | "queue" | "clock">,
  cluster: string,
): Promise<void> {
  const keys = (await deps.leases.byCluster(cluster)).map(({ key }) => key);
  for (let from = 0; from < keys.length; from += PAGE) await renew(deps, keys.slice(from, from + PAGE));
}

async function renew(
  { leases, queue, clock }: Pick<DiscoveryDeps, "leases" | "queue" | "clock">,
  keys: readonly SyncKey[],
): Promise<void> {
  const now = clock();
  const dues = await Promise.all(keys.map((key) => leases.nudge(key, { now, verify: false })));
  const asked = dues.filter((due): due is Due => due !== undefined);
  await sendDue(queue, asked, clock());
}
