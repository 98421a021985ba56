import type { EpochMs } from "../clock.ts";
import { fingerprint } from "../digest.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Row } from "../ports/rows.ts";
import type { ClusterState } from "../ports/store.ts";
import { canonical } from "../util/canonical.ts";
import type { Json } from "../util/json.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { nudgeInParts } from "./nudge-in-parts.ts";
import type { WatchPassOptions } from "./pass.ts";

/** No fingerprint: not every sync was told of the settings. */
const IN_DOUBT = "";

/**
 * Of the settings that syncs depend on. Only watch passes depend on the connection and the followed namespaces; a proxy
 * may hold a password.
 */
function settingsOf(settings: ClusterSettings & { readonly connect?: unknown }): string {
  const { connect: _connect, injector: _injector, labels: _labels, namespaces: _namespaces, ...rest } = settings;
  const vaults = settings.vaults?.map(({ proxy: _proxy, ...vault }) => vault);
  // Without members that are undefined.
  return fingerprint(canonical(JSON.parse(JSON.stringify({ ...rest, vaults })) as Json));
}

/** The state to store before syncs are nudged: an interrupted change is one again, also back to the former settings. */
export function renewalInDoubt(state: ClusterState, settings: ClusterSettings): ClusterState {
  const { ranWith } = state;
  return ranWith === undefined || ranWith === settingsOf(settings) ? state : { ...state, ranWith: IN_DOUBT };
}

type Ran = Pick<ClusterState, "ranWith" | "formerUntil">;

/**
 * Runs every sync and reference again when the settings of its cluster are others than at the last watch pass. So a row
 * also stores where it is found by events: under its Vault's name in fleet.yaml, or its address where it has none.
 */
export async function renewChanged(
  deps: Pick<DiscoveryDeps, "leases" | "queue" | "clock" | "log">,
  settings: ClusterSettings,
  { ranWith: before, formerUntil }: ClusterState,
  { settingsLagMs = 0 }: Pick<WatchPassOptions, "settingsLagMs">,
): Promise<Ran> {
  const ranWith = settingsOf(settings);
  // Nothing ran before, or an earlier version stored no fingerprint.
  if (before === undefined || before === ranWith) {
    return { ranWith, ...(await renewMeanwhile(deps, settings, formerUntil)) };
  }
  deps.log.info("cluster-settings-changed", { cluster: settings.name });
  const until = deps.clock() + settingsLagMs;
  const keys = (await deps.leases.byCluster(settings.name)).map(({ key }) => key);
  await nudgeInParts(deps, keys, { afterMs: settingsLagMs });
  return { ranWith, ...(settingsLagMs > 0 && { formerUntil: until }) };
}

/**
 * What was at work or due before the former settings were out of use took no notice of a nudge for that time, and may
 * have run with them: so runs again what has not settled since then.
 */
async function renewMeanwhile(
  deps: Pick<DiscoveryDeps, "leases" | "queue" | "clock">,
  { name }: ClusterSettings,
  until: EpochMs | undefined,
): Promise<Pick<Ran, "formerUntil">> {
  if (until === undefined) return {};
  if (deps.clock() < until) return { formerUntil: until };
  const hasNotSettled = (row: Row | undefined) => (row?.state.settledAt ?? 0) < until;
  const keys = (await deps.leases.byCluster(name)).map(({ key }) => key);
  await nudgeInParts(deps, keys, {
    among: async (part) => {
      const rows = await deps.leases.read(part, "eventual");
      return part.filter((key) => hasNotSettled(rows.get(key)));
    },
  });
  return {};
}
