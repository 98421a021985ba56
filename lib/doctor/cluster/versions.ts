import { MINUTE_MS, SECOND_MS } from "../../clock.ts";
import type { Check, Reached } from "../context.ts";
import { type Finding, finding } from "../finding.ts";
import { advice } from "../remedies.ts";

/** The oldest minor version of Kubernetes with all that keyferry uses, SelfSubjectReview among it. */
const OLDEST_MINOR = 28;

export const version: Check<Reached> = {
  subject: "version of the API server",
  async find({ settings, version: found }) {
    const minor = Number(/^v?1\.(\d+)\./.exec(found)?.[1] ?? Number.NaN);
    const about = { cluster: settings.name, where: `cluster ${settings.name}` };
    const told = finding("VERSIONS", {
      ...about,
      what: `Kubernetes ${found === "" ? "does not tell its version" : found}`,
    });
    if (!(minor < OLDEST_MINOR)) return [told];
    const what = `Kubernetes ${found} is older than 1.${OLDEST_MINOR}`;
    return [told, finding("CLUSTER_VERSION_OLD", { ...about, what, remedy: advice("Upgrade the cluster.") })];
  },
};

export const clock: Check<Reached> = {
  subject: "clock of the API server",
  find: async ({ settings, skewMs }) =>
    skewFindings({ cluster: settings.name, where: `cluster ${settings.name}` }, skewMs),
};

/** What every party tolerates: Kubernetes, Vault and keyferry allow themselves 30 s and more. */
const TOLERATED_MS = 30 * SECOND_MS;
const FATAL_MS = 5 * MINUTE_MS;

/** A finding about a server's clock that differs from ours. */
export function skewFindings(
  about: { readonly cluster: string; readonly where: string },
  skewMs: number | undefined,
): readonly Finding[] {
  if (skewMs === undefined || Math.abs(skewMs) < TOLERATED_MS) return [];
  const seconds = Math.round(Math.abs(skewMs) / SECOND_MS);
  const found = finding("CLOCK_SKEW", {
    ...about,
    what: `its clock is ${seconds} s ${skewMs > 0 ? "ahead of" : "behind"} that of this machine`,
    remedy: advice("Find the clock that is wrong (date -u), and synchronise it there: timedatectl set-ntp true"),
  });
  return [{ ...found, severity: Math.abs(skewMs) >= FATAL_MS ? "error" : found.severity }];
}
