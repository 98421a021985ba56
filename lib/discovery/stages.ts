import { SyncError } from "../errors.ts";
import type { ClusterState } from "../ports/store.ts";
import { mustBeOurs, observeOperator, operatorWarning } from "../references/operator-namespace.ts";
import { askForMacs, makeMacKey } from "./mac-key.ts";
import type { Pass, Stage } from "./pass.ts";
import { inDoubt, startingPoint } from "./starting-point.ts";
import { noticeVso } from "./vso-watch.ts";

/** Checks the cluster's identity: another cluster may have its name now. */
export const identity: Stage<never, "uid"> = {
  name: "identity",
  async run({ deps, settings, signal }) {
    return { uid: await deps.clusters.identity(settings.name, signal) };
  },
};

/** Reads the operator namespace, and marks it if it has no mark. */
export const operatorNamespace: Stage<"uid" | "state", "operator" | "installation" | "state"> = {
  name: "operator-namespace",
  async run({ deps, settings, signal }, { uid, state }) {
    const before = state.uid === undefined || state.uid === uid ? state.operator : undefined;
    const { seen, installation } = await observeOperator(deps, settings, before, { mark: true }, signal);
    const warning = before?.without === seen.without ? undefined : operatorWarning(settings.name, seen);
    if (warning !== undefined) deps.log.warn("operator-namespace-without-powers", { cluster: settings.name, warning });
    // That of another cluster is stored with its uid: the former one may be back before.
    const isOfRow = state.uid === undefined || state.uid === uid;
    return { operator: seen, installation, state: isOfRow ? { ...state, uid, operator: seen } : state };
  },
};

/** Stops at a cluster that another installation uses (lease-table 25). */
export const installation: Stage<"installation", never> = {
  name: "installation",
  async run({ deps, settings }, known) {
    mustBeOurs(deps, settings, known.installation);
    return {};
  },
};

/** A Vault Secrets Operator that holds its lease suspends the cluster's syncs; watches continue. */
export const otherController: Stage<"operator", "isAlone"> = {
  name: "other-controller",
  async run({ deps, circuits, settings, signal }, { operator }) {
    return { isAlone: await noticeVso(deps, circuits, settings, operator, signal) };
  },
};

/** Stores what is in doubt before anything is released or nudged for another cluster or other settings. */
export const doubts: Stage<"uid" | "operator" | "state", "state"> = {
  name: "doubts",
  async run({ deps, settings, row }, { uid, operator, state }) {
    const doubtful = inDoubt(state, settings, { uid, operator });
    if (doubtful === state) return { state };
    await mustBeStored(deps, row, doubtful);
    return { state: doubtful };
  },
};

/** Checks whether the cursors are still valid. */
export const startOfWatches: Stage<"uid" | "operator" | "state", "start" | "state"> = {
  name: "starting-point",
  async run({ deps, settings, row, options, signal }, { uid, operator, state }) {
    const start = await startingPoint(deps, settings, state, { uid, operator }, options, signal);
    const { vsoIn } = state;
    const known = state.uid === uid && vsoIn !== undefined ? { ...start, vsoIn } : start;
    // Before the first declaration: what comes of this cluster is released if another one has the name again, and a
    // restored one is listed although its revision grows.
    if (row.state.uid !== uid || start.restores !== state.restores) await mustBeStored(deps, row, known);
    return { start, state: known };
  },
};

async function mustBeStored({ leases }: Pass["deps"], row: Pass["row"], state: ClusterState): Promise<void> {
  if (await leases.saveCluster(row, state, { until: row.leaseUntil })) return;
  throw new SyncError("LEASE_LOST", `another watch pass over cluster ${row.name} has begun`);
}

/** Creates the key of Vault Secrets Operator's MACs where that is not at work. */
export const macKey: Stage<"isAlone" | "start" | "state", "start" | "state" | "newMacKey"> = {
  name: "mac-key",
  async run({ deps, settings, row, signal }, { isAlone, start, state }) {
    const found = isAlone ? await makeMacKey(deps, settings, start, signal) : undefined;
    if (found === undefined) return { start, state, newMacKey: undefined };
    const known = { start: { ...start, macKey: found }, state: { ...state, macKey: found } };
    if (found.state !== "made" || found.isTold) return { ...known, newMacKey: undefined };
    // Stored before the nudges: syncs learn from the row that the key is new.
    const isStored =
      found === start.macKey || (await deps.leases.saveCluster(row, known.state, { until: row.leaseUntil }));
    return { ...known, newMacKey: isStored ? found : undefined };
  },
};

/** Nudges syncs that were settled without a MAC, once. */
export const syncsOfNewMacKey: Stage<"newMacKey" | "start" | "state", "start" | "state"> = {
  name: "syncs-of-new-mac-key",
  async run({ deps, settings }, { newMacKey, start, state }) {
    if (newMacKey === undefined) return { start, state };
    await askForMacs(deps, settings);
    const told = { ...newMacKey, isTold: true as const };
    return { start: { ...start, macKey: told }, state: { ...state, macKey: told } };
  },
};
