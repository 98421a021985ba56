import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Cluster, type ReservedPort, reservePorts, waitFor } from "../harness/index.ts";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import { agentsOf, annotations, aPod, createPod, registrationOf, untilAsked } from "./support/injector.ts";
import { endAll } from "./support/start-place.ts";
import { startWorld, type World } from "./support/world.ts";

const BOTH = ["vault-agent-init", "vault-agent"];
/** A process looks after its registrations twice a minute. */
const LOOK_MS = 120_000;

/** Each of them has a data directory of its own, and so keys and a CA of its own. */
describe("two keyferry that both manage the registration of a cluster", { concurrency: 1 }, () => {
  let world: World;
  let cluster: Cluster;
  let first: RunningEngine;
  let second: RunningEngine;
  let reserved: readonly ReservedPort[] = [];
  let ports: readonly [number, number];

  before(async () => {
    world = await startWorld();
    [cluster] = world.clusters as [Cluster];
    reserved = await reservePorts(2);
    ports = reserved.map(({ port }) => port) as [number, number];
    await world.writeFleet(() => ({ injector: at(ports[0]) }));
    first = await startEngine(world, { args: ["--injector-listen", `127.0.0.1:${ports[0]}`] });
    await untilAsked(cluster);
  });
  after(() => endAll(first, second, world, ...reserved));

  const at = (port: number, more: object = {}) => ({
    url: `https://127.0.0.1:${port}`,
    manage: true,
    vaultAddress: world.vault.address,
    ...more,
  });
  const startSecond = (fleet: string): Promise<RunningEngine> =>
    startEngine(world, {
      dataDir: join(world.folder, "second"),
      args: ["--fleet", fleet, "--injector-listen", `127.0.0.1:${ports[1]}`],
    });
  const urlOf = async () => (await registrationOf(cluster))?.webhooks[0].clientConfig.url;
  const toldBy = (engine: RunningEngine, event: string, did?: string) =>
    waitFor(
      `${event} ${did ?? ""}`,
      async () => engine.logs.some((line) => line.event === event && line.cluster === "one" && line.did === did),
      LOOK_MS,
    );
  const isInjected = async () => {
    const { pod, message } = await createPod(
      cluster,
      aPod({ generateName: "web-", annotations: annotations(world.vault.address) }),
    );
    assert.deepEqual(agentsOf(pod), BOTH, message);
  };

  it("with one URL: the one that it leads to registers, and the other one leaves it and says so", async () => {
    const before = await urlOf();
    second = await startSecond(world.fleetPath);
    await toldBy(second, "injector-registration-left");
    assert.equal(await urlOf(), before);
    await isInjected();
    assert.match(
      await second.metrics(),
      /^keyferry_injector_registrations_total\{cluster="one",result="left"\} [1-9]/m,
    );
    assert.doesNotMatch(first.output() + second.output(), new RegExp(before?.split("/")[5] ?? "-"), "no key is logged");
  });

  it("with URLs of their own: the one that starts last registers, and the first one leaves it", async () => {
    await second.stop();
    const fleet = join(world.folder, "second.yaml");
    const own = JSON.parse(await readFile(world.fleetPath, "utf8")) as { clusters: { injector: object }[] };
    for (const one of own.clusters) one.injector = at(ports[1]);
    await writeFile(fleet, JSON.stringify(own));
    second = await startSecond(fleet);
    await toldBy(second, "injector-registered", "taken-over");
    const url = await urlOf();
    assert.ok(url?.startsWith(`https://127.0.0.1:${ports[1]}/`), "it leads to the second one");
    await untilAsked(cluster);
    await isInjected();
    // With a new fleet.yaml it looks at the next opportunity.
    await world.writeFleet(() => ({ injector: at(ports[0], { authPath: "auth/other" }) }));
    await toldBy(first, "injector-registration-left");
    assert.equal(await urlOf(), url);
    await isInjected();
  });
});
