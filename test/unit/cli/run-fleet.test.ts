import assert from "node:assert/strict";
import { it } from "node:test";
import { followedFleet } from "../../../cli/run-fleet.ts";
import { SyncError } from "../../../lib/errors.ts";
import { type Fleet, parseFleet } from "../../../lib/fleet/fleet.ts";
import { liveFleet } from "../../../lib/hubs/live-fleet.ts";

function fleetOf(ways: Readonly<Record<string, string>>): Fleet {
  const clusters = Object.entries(ways).map(([name, path]) => ({ name, connect: { kubeconfig: { path } } }));
  return parseFleet(JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters }), "fleet.yaml");
}

it("an edit that failed half-way and is taken back leaves no cluster out, and no connection by another way", async () => {
  const [before, edited] = [fleetOf({ a: "./a", b: "./b" }), fleetOf({ a: "./other" })];
  const leases = { hubs: async () => [], hubState: async () => undefined };
  const fleet = liveFleet(before, leases);
  const [changes, forgotten]: [(readonly string[])[], string[]] = [[], []];
  const stop = new AbortController();
  const nothing = async (): Promise<void> => undefined;
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
