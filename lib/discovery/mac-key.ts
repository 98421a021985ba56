import { HOUR_MS } from "../clock.ts";
import { OUTAGE_CODES, SyncError } from "../errors.ts";
import { isCleanupKey, partsOf, type SyncKey } from "../keys.ts";
import { namedNamespaces } from "../namespaces.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { SecretApi } from "../ports/secrets.ts";
import type { ClusterState, MacKeySeen } from "../ports/store.ts";
import { hasPowers } from "../references/operator-namespace.ts";
import { type KindRef, VAULT_DYNAMIC_SECRET, VAULT_PKI_SECRET, VAULT_STATIC_SECRET } from "../resource-kinds.ts";
import { type DiscoveryDeps, SYNC_KINDS } from "./deps.ts";
import { nudgeInParts } from "./nudge-in-parts.ts";

/** How long the reason not to create a key holds before it is checked again. */
const LEFT_MS = 24 * HOUR_MS;

/**
 * Without this key a sync has no MAC, and tools that check the MAC wait for ever. keyferry creates it once, in a
 * verified operator namespace, and only where no resource has a MAC yet: with another key VSO would restart workloads.
 * Returns the earlier finding while it is valid. Undefined: do not create one.
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
    // Caches the key for the syncs, which read it next.
    if (await secrets.hmacKey(name, operatorNamespace, signal)) return seen("found");
    const found = await secrets.findHmacKey(name, operatorNamespace, signal);
    if (found.kind === "found") return seen("found");
    if (found.kind === "unusable") return left(found.why);
    if (await hasMacs(deps, settings, signal)) return left("resources have MACs of a missing key");
    await secrets.createHmacKey(name, operatorNamespace, newHmacKey(), signal);
    return seen("made");
  } catch (error) {
    if (!(error instanceof SyncError) || OUTAGE_CODES.has(error.code) || error.code === "DEADLINE_EXCEEDED")
      throw error;
    return left(error.message);
  }
}

/** Whether any readable resource has a MAC. Reads only the pages up to the first one. */
async function hasMacs(deps: DiscoveryDeps, settings: ClusterSettings, signal: AbortSignal): Promise<boolean> {
  const places = namedNamespaces(settings.namespaces) ?? [undefined];
  for (const [kind, namespace] of SYNC_KINDS.flatMap((kind) => places.map((place) => [kind, place] as const))) {
    const options = { metadataOnly: false, ...(namespace === undefined ? {} : { namespace }) };
    for (let page: string | undefined, isFirst = true; isFirst || page !== undefined; isFirst = false) {
      const answer = await deps.clusters.list(settings.name, kind, options, page, signal);
      if (answer?.items.some(({ status }) => typeof status.secretMAC === "string" && status.secretMAC !== "")) {
        return true;
      }
      page = answer?.continue;
    }
  }
  return false;
}

/** Nudges syncs that were settled without a MAC: one status write each. A crash in between repeats it. */
export async function askForMacs(deps: DiscoveryDeps, { name }: ClusterSettings): Promise<void> {
  const synced = (await deps.leases.byCluster(name))
    .filter(({ key, syncedAt }) => syncedAt !== undefined && !isCleanupKey(key))
    .map(({ key }) => key);
  await nudgeInParts(deps, synced, { among: (part) => withMacs(deps, part) });
}

/** Those whose status has a MAC where there is a key. Of dynamic secrets only static roles have, as `hmac` says. */
async function withMacs({ leases }: DiscoveryDeps, keys: readonly SyncKey[]): Promise<readonly SyncKey[]> {
  const byKind = Map.groupBy(keys, (key) => partsOf(key).kind);
  const of = ({ kind }: KindRef) => byKind.get(kind) ?? [];
  const rows = await leases.read(of(VAULT_DYNAMIC_SECRET), "eventual");
  const roles = [...rows.values()].filter(({ declared }) => declared.spec.allowStaticCreds === true);
  return [...of(VAULT_STATIC_SECRET), ...roles.map(({ key }) => key), ...of(VAULT_PKI_SECRET)];
}
