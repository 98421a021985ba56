import { costOf, operationsOf } from "../../infra/cost/model.ts";
import { ALARMS } from "../../infra/cost/tables.ts";
import { HOUR_MS, MINUTE_MS } from "../../lib/clock.ts";
import type { PushSettings } from "../../lib/ports/fleet-push.ts";
import { periodFor } from "../../lib/schedule/wheel.ts";
import { annotations, aPushingWorld, aSecret, writes } from "../../test/core/world/pushing.ts";
import { type Figure, figure, mustBe } from "../figures.ts";

/** Counted over one hour in which nothing changes, then multiplied. */
const COUNTED_OBJECTS = 100;
const OBJECTS = 1_000;
const CLUSTERS = 10;
/** As fleet.yaml has it if nothing is set. */
const POLL_MS = 5 * MINUTE_MS;
const HOURS_IN_MONTH = 30 * 24;
/** No slot of the refresh wheel comes within a month. */
const NEVER_MS = 366 * 24 * HOUR_MS;

type Mode = PushSettings["secrets"];

interface Idle {
  readonly polls: number;
  readonly claims: number;
  readonly vaultReads: number;
  readonly vaultWrites: number;
}

/** What 1,000 pushes at rest cost in a month on AWS: counted runs of the core, units and prices of infra/cost. */
export async function idlePushes(): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const mode of ["watch", "poll"] as const) figures.push(...figuresOf(mode, await idleHour(mode)));
  return figures;
}

async function idleHour(mode: Mode): Promise<Idle> {
  await using world = await aPushingWorld({ secrets: mode });
  const objects = Array.from({ length: COUNTED_OBJECTS }, (_, at) => `own-${at}`);
  await world.given(
    ...objects.map((name) => aSecret(name, { a: "1" }, { annotations: annotations({ path: `kv/apps/shop/${name}` }) })),
  );
  await world.advance("10m");
  const written = writes(world);
  const { requests, claims, settles, reads } = await world.counting(() => world.advance("1h"));
  return {
    // A poll is one GET of a Secret, and nothing else asks the cluster.
    polls: requests / COUNTED_OBJECTS,
    claims: claims + settles,
    vaultReads: reads,
    vaultWrites: writes(world) - written,
  };
}

function figuresOf(mode: Mode, { polls, claims, vaultReads, vaultWrites }: Idle): readonly Figure[] {
  const refreshAfterMs = mode === "poll" ? POLL_MS : NEVER_MS;
  const scenario = `idle, ${mode}`;
  const workload = { clusters: CLUSTERS, syncs: OBJECTS, refreshAfterMs, alarms: ALARMS };
  const atRest = { ...workload, syncs: 0 };
  const did = operationsOf(workload);
  const [all, rest] = [costOf(workload).total, costOf(atRest).total];
  const wanted = mode === "poll" ? HOUR_MS / 1_000 / periodFor(POLL_MS) : 0;
  // Slots of an hour are whole: one more or less for each object.
  const isAsModelled = Math.abs(polls - wanted) < 1;
  return [
    {
      ...figure(scenario, "reads of a Secret, for each object and hour", polls, "", wanted.toFixed(1)),
      isMissed: !isAsModelled,
    },
    mustBe(scenario, "claims and settles in an hour", claims, 0),
    mustBe(scenario, "reads of Vault in an hour", vaultReads, 0),
    mustBe(scenario, "writes to Vault in an hour", vaultWrites, 0),
    figure(
      scenario,
      `${OBJECTS} objects: reads of Secrets in a month`,
      (polls * OBJECTS * HOURS_IN_MONTH) / 1e6,
      "million",
    ),
    figure(scenario, `${OBJECTS} objects: read units in a month, all included`, did.readUnits / 1e6, "million"),
    figure(scenario, `${OBJECTS} objects: write units in a month, all included`, did.writeUnits / 1e6, "million"),
    figure(scenario, `${OBJECTS} objects on ${CLUSTERS} clusters, in a month`, all, "USD"),
    figure(scenario, "of it because of pushes", all - rest, "USD"),
  ];
}
