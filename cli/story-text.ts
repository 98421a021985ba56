import type { EpochMs } from "../lib/clock.ts";
import type { Disposition } from "../lib/errors.ts";
import type { JsonObject } from "../lib/json.ts";
import { humanAge } from "./status-view.ts";
import type { Story } from "./story.ts";
import { labelled } from "./table.ts";

const NEXT: Readonly<Record<Disposition, string>> = {
  retry: "it is tried again soon by itself",
  recheck: "someone outside has to act; it is looked at again, more and more slowly",
  park: "nothing happens before the declaration, or something that it refers to, changes",
  drop: "it is no longer keyferry's to do",
};

/** A story as people read it, in the manner of kubectl describe. */
export function storyText(story: Story, now: EpochMs): string {
  const { error, cluster, next, rollout } = story;
  const age = (at: string): string => `${humanAge(now - Date.parse(at))} ago`;
  return labelled([
    ["Sync", story.key],
    ["State", story.state],
    ["Declared", declaredLines(story)],
    ["References", referenceLines(story)],
    ["Last seen", seenLines(story)],
    ["Synced", story.syncedAt ? `${age(story.syncedAt)} (${story.syncedAt})` : "never"],
    ...(story.settledAt ? [["Last run", `ended ${age(story.settledAt)} (${story.settledAt})`] as const] : []),
    ...(rollout ? [["Rollout", rolloutLines(rollout, now)] as const] : []),
    ...(error
      ? ([
          [
            "Error",
            [`${error.code}: ${error.message}`, `since ${humanAge(now - Date.parse(error.since))}${tries(story)}`],
          ],
          ["What to do", [...(error.remedy ? [error.remedy] : []), `Meanwhile ${NEXT[error.next]}.`]],
        ] as const)
      : []),
    ...(cluster ? [["Cluster", clusterText(cluster)] as const] : []),
    ["Next", next.at ? `in ${humanAge(Date.parse(next.at) - now)}: ${next.because}` : next.because],
  ]);
}

function rolloutLines(
  { since, at, attempts, message }: NonNullable<Story["rollout"]>,
  now: EpochMs,
): readonly string[] {
  const failed = attempts > 0 ? `, ${attempts} failed (see the condition RolloutRestart)` : "";
  const owed = `restarts are owed since ${humanAge(now - Date.parse(since))}${failed}; tried in ${humanAge(Date.parse(at) - now)}`;
  return message === undefined ? [owed] : [owed, message];
}

function tries({ attempts }: Story): string {
  return attempts > 0 ? `, ${attempts} ${attempts === 1 ? "try" : "tries"} in a row` : "";
}

function declaredLines({ declared }: Story): readonly string[] {
  const { destination, restarts, ...spec } = declared.spec;
  const to = destination as JsonObject | undefined;
  const version = declared.carriedOut ? "carried out" : "not carried out yet";
  return [
    `generation ${declared.generation}, ${version}${declared.deleting ? ", being deleted" : ""}`,
    `reads: ${fields(spec)}`,
    `writes: ${fields(to ?? {})}`,
    ...(Array.isArray(restarts) ? [`restarts: ${restarts.join(", ")}`] : []),
    ...(declared.refresh === undefined ? [] : [`refresh asked for by annotation: ${declared.refresh}`]),
  ];
}

function fields(object: JsonObject): string {
  return Object.entries(object)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(", ");
}

function referenceLines({ references }: Story): readonly string[] {
  if (references.length === 0) return ["none known before its first run has ended"];
  return references.map(({ kind, namespace, name, state, generation }) => {
    const version = generation === undefined ? "" : `, generation ${generation}`;
    return `${kind} ${namespace}/${name}: ${state}${version}`;
  });
}

function seenLines({ seen }: Story): readonly string[] {
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

function clusterText({ state, error, held }: NonNullable<Story["cluster"]>): string {
  if (error) return `${error.code}: ${error.message}`;
  if (held)
    return `${held.gone} of ${held.of} declarations are gone at once, which is not believed: see keyferry status`;
  return state === "unseen" ? "not looked at yet" : state;
}
