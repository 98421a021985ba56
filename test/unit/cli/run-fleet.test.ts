import assert from "node:assert/strict";
import { it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { followedFleet, hubPasses } from "../../../cli/run-fleet.ts";
import { SyncError } from "../../../lib/errors.ts";
import { type Fleet, parseFleet } from "../../../lib/fleet/fleet.ts";
import { liveFleet } from "../../../lib/hubs/live-fleet.ts";
import { SecretValue } from "../../../lib/secret-value.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";

const NOW = Date.UTC(2030, 0, 1);
const nothing = async (): Promise<void> => undefined;

function fleetOf(ways: Readonly<Record<string, string>>, hubs: readonly string[] = []): Fleet {
  const clusters = Object.entries(ways).map(([name, path]) => ({ name, connect: { kubeconfig: { path } } }));
  const all = {
    clusters,
    hubs: hubs.map((name) => ({ name, connect: { kubeconfig: { path: "./hub" } }, argocd: {} })),
  };
  return parseFleet(JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", ...all }), "fleet.yaml");
}

it("an edit that failed half-way and is taken back leaves no cluster out, and no connection by another way", async () => {
  const [before, edited] = [fleetOf({ a: "./a", b: "./b" }), fleetOf({ a: "./other" })];
  const leases = { hubs: async () => [], hubState: async () => undefined };
  const fleet = liveFleet(before, leases);
  const [changes, forgotten]: [(readonly string[])[], string[]] = [[], []];
  const stop = new AbortController();
  const followed = followedFleet({
    file: {
      current: () => before,
      watch: async (take: (now: Fleet, before: Fleet) => Promise<void>) => {
        await assert.rejects(take(edited, before), /disk full/);
        await take(fleetOf({ a: "./a", b: "./b" }), before);
        stop.abort();
      },
    },
    engine: {
      change: async (clusters: Fleet["clusters"]) => {
        changes.push(clusters.map(({ name }) => name));
        if (changes.length === 1) throw new SyncError("STORE_UNAVAILABLE", "disk full");
      },
    },
    ...{ fleet, leases, passes: {}, clients: { forget: (place: string) => void forgotten.push(place) } },
    ...{ access: { sweep: nothing }, copies: { sweep: nothing }, inlets: { set: nothing }, clock: () => 0, log: {} },
  } as never);
  await followed.watch(stop.signal);
  assert.deepEqual(changes, [["a"], ["a", "b"]]);
  assert.deepEqual(forgotten, ["a", "b", "a"], "what was opened by the edit's way is closed");
});

/** A hub whose one object is cluster east, known by the uid `east`. */
function aHub() {
  const config = JSON.stringify({ bearerToken: "hvs.no", tlsClientConfig: { insecure: true } });
  const secret = { name: "east", server: "https://east.example", config };
  const object = { namespace: "argocd", name: "east", resourceVersion: "1", labels: {}, annotations: {} };
  const line = () => undefined;
  return {
    clusters: { list: async () => ({ items: [object], resourceVersion: "1" }), identity: async () => "east" },
    credentials: {
      secret: async () => new Map(Object.entries(secret).map(([key, value]) => [key, SecretValue.of(value)])),
    },
    ...{ resources: {}, clock: () => NOW, forget: line, log: { debug: line, info: line, warn: line, error: line } },
  };
}

it("a cluster that moves in one edit from fleet.yaml to a hub with a new name is missing in no fleet that is whole", async () => {
  await using leases = simulatedSqliteStore(undefined);
  const row = (await leases.claimCluster("east", { now: NOW, until: NOW + 1 })) ?? assert.fail();
  await leases.saveCluster(row, { ...row.state, uid: "east" }, { dueAt: NOW });
  let now = fleetOf({ east: "./east" }, ["main"]);
  const fleet = liveFleet(now, leases);
  const file = { current: () => now };
  const deps = { ...aHub(), leases };
  const passes = hubPasses({ deps, file, fleet, accepted: new Set() } as never);
  await passes.one(now.hubs[0] ?? assert.fail(), new AbortController().signal);
  assert.deepEqual(
    fleet.current().refused.map(({ name, error }) => [name, error.code]),
    [["east", "CLUSTER_DUPLICATE"]],
  );
  const before = now;
  now = fleetOf({}, ["platform"]);
  const whole: (string | undefined)[] = [];
  const stop = new AbortController();
  const followed = followedFleet({
    file: {
      ...file,
      watch: async (take: (now: Fleet, before: Fleet) => Promise<void>) => {
        await take(now, before);
        for (let turn = 0; turn < 10_000 && whole.length === 0; turn++) await setImmediate();
        stop.abort();
      },
    },
    engine: {
      change: async (clusters: Fleet["clusters"], { isIncomplete }: { isIncomplete: boolean }) => {
        if (!isIncomplete) whole.push(clusters.find(({ name }) => name === "east")?.connect.hub?.hub);
      },
    },
    ...{ fleet, leases, passes, clients: { forget: () => undefined }, clock: () => NOW, log: deps.log },
    ...{ access: { sweep: nothing }, copies: { sweep: nothing }, inlets: { set: nothing } },
  } as never);
  await followed.watch(stop.signal);
  assert.deepEqual([...new Set(whole)], ["platform"]);
});
