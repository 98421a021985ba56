import { setTimeout as sleep } from "node:timers/promises";
import { EVENTS, linesOf, type Shippers, shippers } from "../../test/e2e/aws/support/audited.ts";
import { startDeployed } from "../../test/e2e/aws/support/deployed.ts";
import { everyInlet } from "../../test/e2e/aws/support/every-inlet.ts";
import { placeIn } from "../../test/e2e/support/place.ts";
import { type Figure, figure, percentile } from "../figures.ts";

const SYNCS = 20;
const NAMESPACE = "bench";
const PATIENCE_MS = 120_000;

/** How many writes reach the Secret by each inlet. */
const WAYS = [
  { inlet: "EventBridge", writes: 200, ship: (ship: Shippers, lines: readonly string[]) => ship.putEvents(lines) },
  { inlet: "log group", writes: 50, ship: (ship: Shippers, lines: readonly string[]) => ship.putLogs(lines) },
  {
    inlet: "POST",
    writes: 50,
    ship: async (ship: Shippers, lines: readonly string[]) => void (await ship.post(lines.join("\n"))),
  },
] as const;

/**
 * Deployed to MiniStack: from Vault's answer to a write until the Secret has it. The lines are sent as a shipper does
 * that follows the file; nothing but an event can be so quick, since a refresh comes once in twelve hours.
 */
export async function eventsOnAws(): Promise<readonly Figure[]> {
  let ship: Shippers | undefined;
  await using deployed = await startDeployed({
    settings: everyInlet,
    before: async (aws) => {
      ship = shippers(aws, () => deployed.outputs.AuditUrl ?? "");
      await ship.prepare();
    },
  });
  const { vault, clusters, namespace } = deployed.world;
  const [cluster] = clusters;
  if (cluster === undefined || ship === undefined) throw new Error("no cluster");
  await namespace(cluster, NAMESPACE);
  const place = placeIn(cluster, NAMESPACE);
  const names = Array.from({ length: SYNCS }, (_, at) => `sync-${at}`);
  for (const name of names) {
    await vault.putKv("kv", name, { password: "0" });
    await place.declare(name, { path: name, refreshAfter: "12h", destination: { name, create: true } });
  }
  await deployed.uploadFleet(await deployed.fleetWith({ events: EVENTS }));
  {
    await using _ = deployed.ticking();
    for (const name of names) await place.synced(name, 2 * PATIENCE_MS);
  }
  const figures: Figure[] = [];
  for (const { inlet, writes, ship: send } of WAYS) {
    const samples: number[] = [];
    for (let at = 0; at < writes; at++) {
      const name = names[at % SYNCS] ?? "";
      const password = `${inlet}-${at}`;
      const lines = await linesOf(vault, () => vault.putKv("kv", name, { password }));
      const answeredAt = performance.now();
      await send(ship, lines);
      await until(async () => (await place.secret(name))?.data.password === password, `${inlet}: ${name}`);
      samples.push(performance.now() - answeredAt);
    }
    const scenario = "events on MiniStack";
    const seconds = (share: number): number => percentile(samples, share) / 1_000;
    figures.push(
      figure(scenario, `${inlet}, ${writes} writes, p50`, seconds(0.5), "s", "< 5"),
      figure(scenario, `${inlet}, p99`, seconds(0.99), "s"),
      figure(scenario, `${inlet}, max`, Math.max(...samples) / 1_000, "s"),
    );
  }
  return figures;
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited ${PATIENCE_MS} ms in vain for ${what}`);
    await sleep(20);
  }
}
