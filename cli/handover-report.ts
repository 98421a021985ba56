import type { ClusterSurvey, SyncSurvey } from "../lib/vso/handover/hand-over.ts";
import { gapLines, type HubGaps, hasGaps } from "./hub-gaps.ts";
import { table, textLines } from "./table.ts";

/** The state of one declaration, for people and scripts. */
export interface SyncReport {
  readonly key: string;
  /** `to-do`: checked, and needs a write. */
  readonly state: "handed-over" | "to-do" | "refused";
  readonly complaints: readonly string[];
  readonly notes: readonly string[];
}

export interface ClusterReport {
  readonly name: string;
  readonly complaints: readonly string[];
  readonly syncs: readonly SyncReport[];
}

export function reportOf(survey: ClusterSurvey, when: "looked" | "done"): ClusterReport {
  return {
    name: survey.scope.settings.name,
    complaints: survey.complaints,
    syncs: survey.syncs.map((sync) => ({
      key: `${sync.ref.cluster}/${sync.ref.kind.kind}/${sync.ref.namespace}/${sync.ref.name}`,
      state: sync.complaints.length > 0 ? "refused" : when === "looked" && isOpen(sync) ? "to-do" : "handed-over",
      complaints: sync.complaints,
      notes: sync.notes,
    })),
  };
}

function isOpen({ change, needsMac, hasOwnConditions }: SyncSurvey): boolean {
  return change !== undefined || needsMac || hasOwnConditions;
}

const AGAIN = "it changed meanwhile; run the same command again";

/** Another program changed what is still incomplete after all writes. */
export function lacks(after: ClusterSurvey): ClusterSurvey {
  const syncs = after.syncs.map((sync) => (isOpen(sync) ? { ...sync, complaints: [...sync.complaints, AGAIN] } : sync));
  return { ...after, syncs };
}

/** Resources that were taken back and still have the mark. */
export function leftOf(before: ClusterSurvey, after: ClusterSurvey): ClusterSurvey {
  const left = new Set(after.syncs.map(({ uid }) => uid));
  const syncs = before.syncs.map((sync) => (left.has(sync.uid) ? { ...sync, complaints: [AGAIN] } : sync));
  return { ...after, syncs };
}

/** The named namespaces in which no cluster has declarations. In a cluster that can't be read there may be some. */
export function nowhereFound(
  surveys: readonly Pick<ClusterSurvey, "emptyNamespaces">[],
  namespaces: readonly string[],
): readonly string[] {
  return namespaces.filter((name) => surveys.every(({ emptyNamespaces }) => emptyNamespaces.includes(name)));
}

export function complained({ complaints, syncs }: ClusterReport): boolean {
  return complaints.length > 0 || syncs.some((sync) => sync.complaints.length > 0);
}

export function people(clusters: readonly ClusterReport[], hubs: HubGaps): string {
  const rows = clusters.flatMap(({ syncs }) =>
    syncs.map(({ key, state, complaints, notes }) => [key, state, [...complaints, ...notes].join("; ")]),
  );
  const none = hasGaps(hubs) ? "" : "There is nothing to hand over.\n";
  const list = rows.length > 0 ? table(["SYNC", "STATE", "NOTE"], rows) : none;
  const troubles = clusters.flatMap(({ name, complaints }) => complaints.map((text) => `cluster ${name}: ${text}`));
  return `${list}${textLines([...ofHubs(hubs), ...troubles])}`;
}

function ofHubs(hubs: HubGaps): readonly string[] {
  if (!hasGaps(hubs)) return [];
  return [...gapLines(hubs), "So nothing was changed. --cluster names the clusters for which this does not matter."];
}
