import type { EpochMs } from "../lib/clock.ts";
import type { Fleet } from "../lib/fleet/fleet.ts";
import type { Hub } from "../lib/fleet/hub-schema.ts";
import { composed } from "../lib/hubs/compose.ts";
import type { HubState, LeaseStore } from "../lib/ports/store.ts";
import { humanAge } from "./status-view.ts";

/** A hub in the lease table, for `keyferry status`. */
export interface HubView {
  readonly name: string;
  /** `waiting`: it was not read yet. */
  readonly state: "ok" | "failed" | "held" | "waiting";
  readonly clusters: number;
  readonly error?: { readonly code: string; readonly message: string; readonly since: string };
  readonly awaitingApproval?: { readonly since: string; readonly gone: number; readonly of: number };
  readonly refused: readonly {
    readonly object: string;
    readonly cluster: string;
    readonly code: string;
    readonly message: string;
  }[];
}

/** The hubs, and the names of all clusters of the fleet. Without fleet.yaml the table alone says which hubs there are. */
export async function hubsSeen(
  store: Pick<LeaseStore, "hubs" | "hubState">,
  fleet: Fleet = { clusters: [], vaults: [], hubs: [] },
): Promise<{ readonly views: readonly HubView[]; readonly clusters: readonly string[] }> {
  const rows = await store.hubs();
  const states = new Map<string, HubState>();
  for (const { name } of rows) {
    const found = await store.hubState(name);
    if (found !== undefined) states.set(name, found.state);
  }
  const hubs = fleet.hubs.length > 0 ? fleet.hubs : rows.map(({ name }) => hubOf(name));
  const { clusters, refused } = composed({ ...fleet, hubs }, states);
  const views = hubs.map(({ name }) => {
    const of = refused.filter(({ hub }) => hub === name);
    const taken = clusters.filter(({ connect }) => connect.hub?.hub === name).length;
    return viewOf(name, states.get(name), taken, of);
  });
  return { views, clusters: clusters.map(({ name }) => name) };
}

/** Only its name counts here. */
function hubOf(name: string): Hub {
  const namespaces = { include: ["*"], exclude: [] };
  return { name, connect: {}, defaults: { labels: {}, observe: "watch", namespaces, operatorNamespace: "" } };
}

function viewOf(
  name: string,
  state: HubState | undefined,
  clusters: number,
  refused: ReturnType<typeof composed>["refused"],
): HubView {
  const { error, awaitingApproval } = state ?? {};
  return {
    name,
    state: stateOf(state, refused.length),
    clusters,
    ...(error && { error: { ...error, since: iso(error.since) } }),
    ...(awaitingApproval && { awaitingApproval: { ...awaitingApproval, since: iso(awaitingApproval.since) } }),
    refused: refused.map(({ object, name: cluster, error: { code, message } }) => ({ object, cluster, code, message })),
  };
}

function stateOf(state: HubState | undefined, refused: number): HubView["state"] {
  if (state === undefined) return "waiting";
  if (state.error !== undefined) return "failed";
  if (state.awaitingApproval !== undefined) return "held";
  return refused > 0 ? "failed" : "ok";
}

/** What is wrong with hubs, for people. */
export function hubLines(hubs: readonly HubView[], now: EpochMs): readonly string[] {
  return hubs.flatMap(({ name, state, error, awaitingApproval, refused }) => [
    ...(state === "waiting" ? [`hub ${name}: not read yet`] : []),
    ...(error
      ? [
          `hub ${name} could not be read for ${humanAge(now - Date.parse(error.since))}, and its clusters stay: ${error.code}: ${error.message}`,
        ]
      : []),
    ...(awaitingApproval
      ? [
          `hub ${name}: ${awaitingApproval.gone} of ${awaitingApproval.of} clusters are gone, which awaits approval: keyferry keeps them. If they left on purpose, run with --accept-missing hub:${name}`,
        ]
      : []),
    ...refused.map(
      ({ object, cluster, code, message }) => `hub ${name}: cluster ${cluster} (${object}): ${code}: ${message}`,
    ),
  ]);
}

function iso(at: EpochMs): string {
  return new Date(at).toISOString();
}
