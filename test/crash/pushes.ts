import type { Pushed } from "../../lib/ports/rows.ts";
import { live } from "./life.ts";
import type { PushFleet } from "./push-fleet.ts";
import type { Verdict } from "./verdict.ts";
import type { Stage } from "./world.ts";

/** What happens to the push of one Deployment, while something happens to the process that works on it. */
export interface PushScenario {
  readonly name: string;
  readonly makes: "push";
  /** Whether it was pushed before. */
  readonly isIssued: boolean;
  readonly change?: (stage: Stage) => Promise<void>;
  /** What somebody does after the process was stopped, before another one comes. */
  readonly meanwhile?: (stage: Stage) => Promise<void>;
  readonly act: "look" | "reconcile";
  readonly push: PushFleet;
  readonly end: "in-use" | "ended";
  readonly expected: readonly Expected[];
}

/** What a path has to look like: its data, and the number of its newest version, deleted or not; 0: none. */
interface Expected {
  readonly path: string;
  readonly holds: string | undefined;
  /** Several: as far as the process had come. */
  readonly versions: readonly number[];
}

const SECRET = "db";
const WORKLOAD = "web";
const KEY = "password";
const MERGE = { contentType: "application/merge-patch+json" };

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** A Secret, a Deployment that pushes it, and data of someone else beside it. */
export async function declarePush(stage: Stage): Promise<void> {
  const { world, vault, place } = stage;
  await vault.putKv("kv", `${place.name}/foreign`, { [KEY]: "foreign" });
  await world.cluster.apply([secretOf(stage, "one"), workloadOf(stage, "mine")]);
}

function secretOf({ place }: Stage, text: string): object {
  const metadata = { name: SECRET, namespace: place.name };
  return { apiVersion: "v1", kind: "Secret", metadata, data: { [KEY]: base64(text) } };
}

function workloadOf({ place }: Stage, path: string) {
  const labels = { app: WORKLOAD };
  const annotations = {
    "vault-sync.io/path": `kv/${place.name}/${path}`,
    "vault-sync.io/secrets": JSON.stringify([{ name: SECRET, keys: [KEY] }]),
    "vault-sync.io/reconcile": "30s",
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: WORKLOAD, namespace: place.name, annotations },
    spec: {
      ...{ replicas: 0, selector: { matchLabels: labels } },
      template: { metadata: { labels }, spec: { containers: [{ name: "app", image: "app:1" }] } },
    },
  };
}

const changed = async ({ world, place }: Stage): Promise<void> => {
  const path = `/api/v1/namespaces/${place.name}/secrets/${SECRET}`;
  await world.cluster.request("PATCH", path, { data: { [KEY]: base64("two") } }, MERGE);
};
const undeclared = (stage: Stage): Promise<void> => stage.world.cluster.delete(workloadOf(stage, "mine"));
const moved = async (stage: Stage): Promise<void> => {
  await stage.world.cluster.apply(workloadOf(stage, "other"));
};
const deletedInVault = ({ vault, place }: Stage): Promise<void> => vault.remove(`kv/data/${place.name}/mine`);
const forgottenInVault = ({ vault, place }: Stage): Promise<void> => vault.remove(`kv/metadata/${place.name}/mine`);
const overwritten = async (stage: Stage): Promise<void> => {
  await stage.vault.putKv("kv", `${stage.place.name}/mine`, { [KEY]: "theirs" });
  await undeclared(stage);
};

const common = { makes: "push", isIssued: true, act: "look", push: {}, end: "in-use" } as const;
const mine = (holds: string | undefined, ...versions: readonly number[]): Expected => ({
  ...{ path: "mine", holds, versions },
});

export const PUSH_SCENARIOS: readonly PushScenario[] = [
  { name: "push-first", ...common, isIssued: false, expected: [mine("one", 1)] },
  { name: "push-change", ...common, change: changed, expected: [mine("two", 2)] },
  {
    ...{ name: "push-restore", ...common, change: deletedInVault, act: "reconcile" },
    expected: [mine("one", 2)],
  },
  {
    ...{ name: "push-restore-path", ...common, change: forgottenInVault, act: "reconcile" },
    expected: [mine("one", 1)],
  },
  {
    ...{ name: "push-move", ...common, change: moved },
    expected: [mine(undefined, 1), { path: "other", holds: "one", versions: [1] }],
  },
  { name: "push-delete", ...common, change: undeclared, end: "ended", expected: [mine(undefined, 1)] },
  {
    ...{ name: "push-delete-metadata", ...common, change: undeclared, end: "ended" },
    ...{ push: { deletion: "metadata" }, expected: [mine(undefined, 0)] },
  },
  { name: "push-delete-foreign", ...common, change: overwritten, end: "ended", expected: [mine("theirs", 2)] },
  {
    ...{ name: "push-delete-meanwhile", ...common, change: changed, meanwhile: undeclared, end: "ended" },
    expected: [mine(undefined, 1, 2)],
  },
  {
    ...{ name: "push-first-delete-meanwhile", ...common, isIssued: false, meanwhile: undeclared, end: "ended" },
    expected: [mine(undefined, 0, 1)],
  },
];

interface Found {
  readonly versions: number;
  readonly holds: string | undefined;
}

async function foundAt({ vault, place }: Stage, path: string): Promise<Found> {
  const at = `${place.name}/${path}`;
  const read = await vault.request<{ data?: { data?: Record<string, string> | null } }>("GET", `kv/data/${at}`);
  const { body } = await vault.request<{ data?: { current_version?: number } }>("GET", `kv/metadata/${at}`);
  return { versions: body.data?.current_version ?? 0, holds: read.body.data?.data?.[KEY] };
}

/** Versions are changes, nothing is left behind, and nothing of others is changed or gone. */
export async function judgePush(stage: Stage, { end, expected }: PushScenario): Promise<Verdict> {
  let [leaked, doubled] = [0, 0];
  const failures: string[] = [];
  const all = [...expected, { path: "foreign", holds: "foreign", versions: [1] }];
  for (const { path, holds, versions } of all) {
    const found = await foundAt(stage, path);
    if (found.versions > Math.max(...versions)) doubled += found.versions - Math.max(...versions);
    else if (!versions.includes(found.versions)) failures.push(`${path}: ${found.versions} versions`);
    if (found.holds === holds) continue;
    if (holds === undefined) leaked++;
    else failures.push(`${path} holds ${found.holds ?? "nothing"}, not ${holds}`);
  }
  failures.push(...(await rowFailures(stage, end, expected)));
  return { leaked, doubled, spare: 0, failures };
}

async function rowFailures(
  stage: Stage,
  end: PushScenario["end"],
  expected: readonly Expected[],
): Promise<readonly string[]> {
  await using life = await live(stage.place);
  const rows = await life.rows();
  if (end === "ended") return rows.length === 0 ? [] : [`${rows.length} rows are left`];
  const [row] = rows;
  if (row === undefined || rows.length > 1) return [`${rows.length} rows`];
  const wanted = expected.filter(({ holds }) => holds !== undefined);
  const paths = (row.state.pushed ?? []).map(describe).sort();
  const right = wanted.map(({ path, versions }) => `kv/${stage.place.name}/${path} at ${versions.at(-1)}`).sort();
  return paths.join() === right.join() ? [] : [`the row has ${paths.join()}, not ${right.join()}`];
}

function describe({ mount, path, version, writing }: Pushed): string {
  return `${mount}/${path} at ${version}${writing === undefined ? "" : ", writing"}`;
}
