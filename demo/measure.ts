import { setTimeout as sleep } from "node:timers/promises";
import { table } from "../cli/table.ts";
import type { Cluster, KubeObject } from "../test/harness/index.ts";
import { seconds } from "./show.ts";

/** How closely the clusters are looked at: what is measured is right to within this. */
const LOOK_EVERY_MS = 20;

/** Something that a person did, and what keyferry is to make of it. */
export interface Expectation {
  /** `<namespace>/<name>` of the Secret. */
  readonly secret: string;
  /** When it was done, by `performance.now()`. */
  readonly since: number;
  readonly isMet: (secret: KubeObject | undefined) => boolean;
}

/** How long one thing took in one cluster, in ms. */
export interface Delay {
  readonly what: string;
  readonly cluster: string;
  readonly ms: number;
}

/** Waits until every expectation of a cluster is met; throws when one still is not after `limitMs`. */
export async function delaysIn(
  cluster: Cluster,
  what: string,
  expectations: readonly Expectation[],
  limitMs: number,
): Promise<readonly Delay[]> {
  const delays: Delay[] = [];
  const open = new Set(expectations);
  const endsAt = performance.now() + limitMs;
  while (open.size > 0) {
    const secrets = await secretsOf(cluster);
    const now = performance.now();
    for (const expectation of [...open].filter(({ secret, isMet }) => isMet(secrets.get(secret)))) {
      open.delete(expectation);
      delays.push({ what, cluster: cluster.name, ms: now - expectation.since });
    }
    if (open.size > 0 && now > endsAt) throw new Error(inVain(cluster, what, [...open], limitMs));
    if (open.size > 0) await sleep(LOOK_EVERY_MS);
  }
  return delays;
}

function inVain(cluster: Cluster, what: string, open: readonly Expectation[], limitMs: number): string {
  const names = open.map(({ secret }) => secret).join(", ");
  return `${what}: not so after ${limitMs / 1_000} s for ${names} in ${cluster.name}`;
}

/** Every Secret of a cluster by `<namespace>/<name>`. */
export async function secretsOf(cluster: Cluster): Promise<ReadonlyMap<string, KubeObject>> {
  const { status, body } = await cluster.request<{ items: readonly KubeObject[] }>("GET", "/api/v1/secrets");
  if (status !== 200) throw new Error(`${cluster.name} does not list its Secrets (${status})`);
  return new Map(body.items.map((item) => [`${item.metadata.namespace}/${item.metadata.name}`, item]));
}

/** `0.11 to 3.9 s`. */
export function range(delays: readonly Delay[]): string {
  const sorted = sortedMs(delays);
  return `${seconds(sorted[0] ?? 0).replace(" s", "")} to ${seconds(sorted.at(-1) ?? 0)}`;
}

/** One line for each thing in each cluster: how often it was done, and how long it took. */
export function delayTable(delays: readonly Delay[]): string {
  const groups = Map.groupBy(delays, ({ what, cluster }) => JSON.stringify([what, cluster]));
  const rows = [...groups.values()].map((group) => {
    const sorted = sortedMs(group);
    const at = (share: number): string => seconds(sorted[Math.round((sorted.length - 1) * share)] ?? 0);
    return [group[0]?.what ?? "", group[0]?.cluster ?? "", String(group.length), at(0), at(0.5), at(1)];
  });
  return table(["WHAT HAPPENED", "CLUSTER", "TIMES", "FASTEST", "MEDIAN", "SLOWEST"], rows);
}

function sortedMs(delays: readonly Delay[]): readonly number[] {
  return delays.map(({ ms }) => ms).toSorted((a, b) => a - b);
}
