import { HOUR_MS } from "../clock.ts";
import { OUTAGE_CODES, SyncError } from "../errors.ts";
import { isCleanupKey, partsOf } from "../keys.ts";
import { namedNamespaces } from "../namespaces.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { SecretApi } from "../ports/secrets.ts";
import type { ClusterState, Due, MacKeySeen } from "../ports/store.ts";
import { hasPowers } from "../references/operator-namespace.ts";
import { VAULT_STATIC_SECRET } from "../resource-kinds.ts";
import { sendDue } from "../schedule/messages.ts";
import type { DiscoveryDeps } from "./deps.ts";

/** What was left alone for a reason is looked at again then. */
const LEFT_MS = 24 * HOUR_MS;

/**
 * Without that key a VaultStaticSecret has no MAC, and what checks it by its MAC waits for ever. So it is made, once, in an
 * operator namespace that is known to be the operator's, and only where no resource has a MAC yet: one by another key would
 * make VSO restart workloads. What was found out before is the answer as long as it holds. Undefined: none is to be made.
 */
export async function makeMacKey(
  deps: DiscoveryDeps,
  settings: ClusterSettings,
  { operator, macKey: known }: Pick<ClusterState, "operator" | "macKey">,
  signal: AbortSignal,
): Promise<MacKeySeen | undefined> {
  const { secrets, newHmacKey } = deps;
  if (!secrets || !newHmacKey || settings.makeHmacKey === false || !hasPowers(operator)) return undefined;
  const isLeft = known?.state === "left" && deps.clock() - known.at >= LEFT_MS;
  if (known !== undefined && !isLeft) return known;
  const seen = await findOrMake(deps, { secrets, newHmacKey }, settings, signal);
  if (seen.state === "made") {
    deps.log.info("mac-key-made", { cluster: settings.name, namespace: settings.operatorNamespace });
  }
  return seen;
}

type Key = Pick<SecretApi, "hmacKey" | "findHmacKey" | "createHmacKey">;

async function findOrMake(
  deps: DiscoveryDeps,
  { secrets, newHmacKey }: { readonly secrets: Key; readonly newHmacKey: () => Buffer },
  settings: ClusterSettings,
  signal: AbortSignal,
): Promise<MacKeySeen> {
  const { name, operatorNamespace } = settings;
  const seen = (state: MacKeySeen["state"]): MacKeySeen => ({ state, at: deps.clock() });
  const left = (because: string): MacKeySeen => {
    deps.log.info("mac-key-not-made", { cluster: name, because });
    return seen("left");
  };
  try {
    // Syncs ask for the same, and find it kept.
    if (await secrets.hmacKey(name, operatorNamespace, signal)) return seen("found");
    const found = await secrets.findHmacKey(name, operatorNamespace, signal);
    if (found.kind === "found") return seen("found");
    if (found.kind === "unusable") return left(found.why);
    if (await hasMacs(deps, settings, signal)) return left("resources have MACs by a key that is not there");
    await secrets.createHmacKey(name, operatorNamespace, newHmacKey(), signal);
    return seen("made");
  } catch (error) {
    if (!(error instanceof SyncError) || OUTAGE_CODES.has(error.code) || error.code === "DEADLINE_EXCEEDED")
      throw error;
    return left(error.message);
  }
}

/** Whether any resource that may be seen has a MAC. Only pages up to the first one are read. */
async function hasMacs(deps: DiscoveryDeps, settings: ClusterSettings, signal: AbortSignal): Promise<boolean> {
  for (const namespace of namedNamespaces(settings.namespaces) ?? [undefined]) {
    const options = { metadataOnly: false, ...(namespace === undefined ? {} : { namespace }) };
    for (let page: string | undefined, isFirst = true; isFirst || page !== undefined; isFirst = false) {
      const answer = await deps.clusters.list(settings.name, VAULT_STATIC_SECRET, options, page, signal);
      if (answer?.items.some(({ status }) => typeof status.secretMAC === "string" && status.secretMAC !== "")) {
        return true;
      }
      page = answer?.continue;
    }
  }
  return false;
}

/** Syncs that were settled without a MAC are asked to work: one status write each. A crash before its end repeats it. */
export async function askForMacs(deps: DiscoveryDeps, { name }: ClusterSettings): Promise<void> {
  const dues: Due[] = [];
  for (const { key, syncedAt } of await deps.leases.byCluster(name)) {
    if (syncedAt === undefined || isCleanupKey(key) || partsOf(key).kind !== VAULT_STATIC_SECRET.kind) continue;
    const due = await deps.leases.nudge(key, { now: deps.clock(), verify: false });
    if (due) dues.push(due);
  }
  await sendDue(deps.queue, dues, deps.clock());
}
