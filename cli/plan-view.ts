import type { NameChanges, SecretChanges } from "../lib/destinations/destination.ts";
import type { SyncError } from "../lib/errors.ts";
import type { Planned, PlannedAction } from "../lib/plan/planned.ts";
import { gapLines, type HubGaps, hasGaps, NO_GAPS } from "./hub-gaps.ts";
import { remedyOf } from "./remedies.ts";
import { textLines } from "./table.ts";

/** Why a cluster can't be planned, or only in part. */
export interface ClusterPlan {
  readonly name: string;
  readonly errors: readonly SyncError[];
  readonly awaitingApproval?: { readonly gone: number; readonly of: number };
}

interface ErrorView {
  readonly code: string;
  readonly message: string;
  readonly remedy?: string;
}

/** A plan for people and scripts. */
export interface PlanView {
  readonly clusters: readonly {
    readonly name: string;
    readonly errors: readonly ErrorView[];
    readonly awaitingApproval?: { readonly gone: number; readonly of: number };
  }[];
  /** Known clusters that left fleet.yaml. */
  readonly departed: readonly string[];
  /** Empty if the plan is only for keys that name their clusters. */
  readonly hubs: HubGaps;
  readonly syncs: readonly (Omit<Planned, "error" | "changes"> & {
    readonly error?: ErrorView;
    readonly changes?: Omit<SecretChanges, "any">;
  })[];
  /** The number of syncs of each action, without zeros. */
  readonly summary: Readonly<Partial<Record<PlannedAction, number>>>;
  /** 1: a sync or a cluster would fail, or a hub may have clusters that are not planned, whatever else changes. 3: there are changes. 0: nothing to do. */
  readonly exitCode: 0 | 1 | 3;
}

/** In step, even if a run would record something. */
const QUIET: ReadonlySet<PlannedAction> = new Set<PlannedAction>(["none", "adopt"]);

export function planView(
  clusters: readonly ClusterPlan[],
  planned: readonly Planned[],
  { departed = [], hubs = NO_GAPS }: Partial<Pick<PlanView, "departed" | "hubs">> = {},
): PlanView {
  const counts = [...Map.groupBy(planned, ({ action }) => action)].map(([action, { length }]) => [action, length]);
  const isFailed = planned.some(({ action }) => action === "fail") || clusters.some(isTroubled) || hasGaps(hubs);
  const isChanged = departed.length > 0 || planned.some(({ action }) => !QUIET.has(action));
  return {
    clusters: clusters.map(({ name, errors, awaitingApproval }) => ({
      name,
      errors: errors.map(errorView),
      ...(awaitingApproval === undefined ? {} : { awaitingApproval }),
    })),
    departed,
    hubs,
    syncs: planned.map(({ error, changes, ...rest }) => ({
      ...rest,
      ...(changes === undefined ? {} : { changes: shown(changes) }),
      ...(error === undefined ? {} : { error: errorView(error) }),
    })),
    summary: Object.fromEntries(counts.sort()),
    exitCode: isFailed ? 1 : isChanged ? 3 : 0,
  };
}

function isTroubled({ errors, awaitingApproval }: ClusterPlan): boolean {
  return errors.length > 0 || awaitingApproval !== undefined;
}

function shown({ any: _any, ...changes }: SecretChanges): Omit<SecretChanges, "any"> {
  return changes;
}

function errorView({ code, message }: SyncError): ErrorView {
  const { meaning } = remedyOf(code);
  return { code, message, ...(meaning === undefined ? {} : { remedy: meaning }) };
}

const SIGNS: Readonly<Record<PlannedAction, string>> = {
  ...{ none: " ", adopt: " ", create: "+", update: "~", "take-over": "~", recreate: "±" },
  ...{ prune: "-", remove: "-", restart: "~", release: "x", fail: "!" },
};

/** Failures to reach something, which may depend on where the plan is made. */
const OUT_OF_REACH: ReadonlySet<string> = new Set(["KUBE_UNREACHABLE", "VAULT_UNAVAILABLE"]);

/**
 * A plan in the style of a diff: a sign and a sync, and below it the names of what differs. The plan of a stack says
 * that it was made from outside, if something can't be reached.
 */
export function planText({ clusters, departed, hubs, syncs, summary }: PlanView, stack?: string): string {
  const width = Math.max(0, ...syncs.map(({ key }) => key.length));
  const lines = syncs.flatMap((sync) => [
    `${SIGNS[sync.action]} ${sync.key.padEnd(width)}  ${sync.action}: ${sync.because}`,
    ...details(sync).map((line) => `      ${line}`),
  ]);
  const counts = Object.entries(summary).map(([action, count]) => `${count} ${action}`);
  const total = `${syncs.length} ${syncs.length === 1 ? "sync" : "syncs"}`;
  const end = counts.length > 0 ? `${total}: ${counts.join(", ")}` : "No syncs declared.";
  const left = departed.map(
    (name) => `x cluster ${name}: it left fleet.yaml: keyferry forgets it, and its Secrets stay`,
  );
  const codes = [...clusters.flatMap(({ errors }) => errors), ...syncs.flatMap(({ error }) => error ?? [])];
  const isFar = stack !== undefined && codes.some(({ code }) => OUT_OF_REACH.has(code));
  const note = `! this machine does not reach everything; the functions of ${stack} may: compare keyferry status --stack ${stack}`;
  const ofHubs = gapLines(hubs).map((line) => `! ${line}`);
  const notes = [...ofHubs, ...clusters.flatMap(troubles), ...(isFar ? [note] : [])];
  return textLines([...lines, ...left, ...notes, ...(lines.length > 0 ? [""] : []), end]);
}

function details({
  secret,
  changes,
  removes,
  restarts,
  releases,
  error,
}: PlanView["syncs"][number]): readonly string[] {
  if (error) return error.remedy ? [`what to do: ${error.remedy}`] : [];
  return [
    ...(changes ? [`Secret ${secret} ${typeText(changes)}, data ${digestText(changes)}`] : []),
    ...(changes ? [...names("data", changes.data), ...marks(changes)] : []),
    ...removes.map((name) => `- Secret ${name}`),
    ...restarts.map((name) => `restarts ${name}`),
    ...(releases ?? []).map((name) => `Secret ${name} stays as it is`),
  ];
}

function marks({ labels, annotations, owner }: Omit<SecretChanges, "any">): readonly string[] {
  const owners = owner ? ["~ owner reference"] : [];
  return [...names("label", labels), ...names("annotation", annotations), ...owners];
}

function typeText({ type: { before, after } }: Omit<SecretChanges, "any">): string {
  return before === undefined || before === after ? `(${after})` : `(${before} -> ${after})`;
}

function digestText({ digest: { before, after } }: Omit<SecretChanges, "any">): string {
  if (before === undefined) return after;
  return before === after ? `${after}, unchanged` : `${before} -> ${after}`;
}

function names(what: string, { added, removed, changed }: NameChanges): readonly string[] {
  return [
    ...added.map((name) => `+ ${what} ${name}`),
    ...removed.map((name) => `- ${what} ${name}`),
    ...changed.map((name) => `~ ${what} ${name}`),
  ];
}

function troubles({ name, errors, awaitingApproval }: PlanView["clusters"][number]): readonly string[] {
  const gone = awaitingApproval
    ? [
        `! cluster ${name}: ${awaitingApproval.gone} of ${awaitingApproval.of} declarations are gone; they await approval`,
      ]
    : [];
  return [
    ...errors.flatMap(({ code, message, remedy }) => [
      `! cluster ${name}: ${code}: ${message}`,
      ...(remedy ? [`      what to do: ${remedy}`] : []),
    ]),
    ...gone,
  ];
}
