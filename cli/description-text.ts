import type { EpochMs } from "../lib/clock.ts";
import type { Disposition } from "../lib/errors.ts";
import type { JsonObject } from "../lib/util/json.ts";
import type { SyncDescription } from "./describe-sync.ts";
import { issueLines } from "./issue-view.ts";
import { pushLines } from "./push-view.ts";
import { humanAge } from "./status-view.ts";
import { labelled } from "./table.ts";

const NEXT: Readonly<Record<Disposition, string>> = {
  retry: "keyferry tries again soon",
  recheck: "keyferry checks again, with growing pauses, until someone has repaired it",
  park: "keyferry waits until the declaration, or something that it refers to, changes",
  drop: "there is nothing left for keyferry to do",
};

/** A description for people, in the style of kubectl describe. */
export function descriptionText(description: SyncDescription, now: EpochMs): string {
  const { error, cluster, next, rollout, issues } = description;
  const age = (at: string): string => `${humanAge(now - Date.parse(at))} ago`;
  return labelled([
    ["Sync", description.key],
    ["State", description.state],
    ["Declared", declaredLines(description)],
    ["References", referenceLines(description)],
    ["Last seen", seenLines(description)],
    ...(issues ? [["In Vault", issueLines(issues, now)] as const] : []),
    ["Synced", description.syncedAt ? `${age(description.syncedAt)} (${description.syncedAt})` : "never"],
    ...(description.settledAt
      ? [["Last run", `ended ${age(description.settledAt)} (${description.settledAt})`] as const]
      : []),
    ...(rollout ? [["Rollout", rolloutLines(rollout, now)] as const] : []),
    ...(error
      ? ([
          [
            "Error",
            [
              `${error.code}: ${error.message}`,
              `since ${humanAge(now - Date.parse(error.since))}${tries(description)}`,
            ],
          ],
          ["What to do", [...(error.remedy ? [error.remedy] : []), `Meanwhile ${NEXT[error.next]}.`]],
        ] as const)
      : []),
    ...(cluster ? [["Cluster", clusterText(cluster)] as const] : []),
    ["Next", next.at ? `in ${humanAge(Date.parse(next.at) - now)}: ${next.because}` : next.because],
  ]);
}

function rolloutLines(
  { since, at, attempts, message }: NonNullable<SyncDescription["rollout"]>,
  now: EpochMs,
): readonly string[] {
  const failed = attempts > 0 ? `, ${attempts} failed (see the condition RolloutRestart)` : "";
  const owed = `restarts have been owed for ${humanAge(now - Date.parse(since))}${failed}; next try in ${humanAge(Date.parse(at) - now)}`;
  return message === undefined ? [owed] : [owed, message];
}

function tries({ attempts }: SyncDescription): string {
  return attempts > 0 ? `, ${attempts} ${attempts === 1 ? "try" : "tries"} in a row` : "";
}

function declaredLines({ declared, push }: SyncDescription): readonly string[] {
  const version = declared.applied ? "applied" : "not applied yet";
  const first = `generation ${declared.generation}, ${version}${declared.deleting ? ", being deleted" : ""}`;
  return [first, ...(push === undefined ? resourceLines(declared) : pushLines(push))];
}

function resourceLines(declared: SyncDescription["declared"]): readonly string[] {
  const { destination, restarts, ...spec } = declared.spec;
  const to = destination as JsonObject | undefined;
  return [
    `reads: ${fields(spec)}`,
    `writes: ${fields(to ?? {})}`,
    ...(Array.isArray(restarts) ? [`restarts: ${restarts.join(", ")}`] : []),
    ...(declared.refresh === undefined ? [] : [`refresh requested by annotation: ${declared.refresh}`]),
  ];
}

function fields(object: JsonObject): string {
  return Object.entries(object)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(", ");
}

function referenceLines({ references }: SyncDescription): readonly string[] {
  if (references.length === 0) return ["unknown until its first run has ended"];
  return references.map(({ kind, namespace, name, state, generation }) => {
    const version = generation === undefined ? "" : `, generation ${generation}`;
    return `${kind} ${namespace}/${name}: ${state}${version}`;
  });
}

function seenLines({ seen }: SyncDescription): readonly string[] {
  const { vault, version, digest, secrets } = seen;
  const at = version ? `, version ${version.number} of ${version.createdTime}` : "";
  const lines = [
    ...(vault ? [`Vault ${vault}${at}`] : []),
    ...(digest ? [`digest ${digest}`] : []),
    ...secrets.map(({ name, uid, resourceVersion }) =>
      uid ? `Secret ${name}, uid ${uid}, resourceVersion ${resourceVersion}` : `Secret ${name}, not written yet`,
    ),
  ];
  return lines.length > 0 ? lines : ["nothing yet"];
}

function clusterText({ state, error, awaitingApproval }: NonNullable<SyncDescription["cluster"]>): string {
  if (error) return `${error.code}: ${error.message}`;
  if (awaitingApproval)
    return `${awaitingApproval.gone} of ${awaitingApproval.of} declarations are gone at once; see keyferry status`;
  return state === "unseen" ? "not read yet" : state;
}
