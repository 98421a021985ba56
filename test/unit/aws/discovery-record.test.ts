import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { discoveryRecord } from "../../../lib/aws/discovery-record.ts";
import { type WatchPassRequest, watchPassesBody } from "../../../lib/aws/envelopes.ts";
import { aDeadline, aRecord, counting, QUIET } from "./records.ts";

const REQUESTS: readonly WatchPassRequest[] = [
  { cluster: "east", fence: 0 },
  { cluster: "west", fence: 7 },
  { cluster: "gone", fence: 3 },
];
const FENCES: Readonly<Record<string, number>> = { east: 0, west: 7 };

function aDiscovery(fences: Readonly<Record<string, number>> = FENCES, crashing?: string) {
  const looked: string[] = [];
  const sent: WatchPassRequest[][] = [];
  const dead: string[] = [];
  const metrics = counting();
  const deps = {
    fenceOf: async (cluster: string) => fences[cluster],
    watchPass: async (cluster: string) => {
      looked.push(cluster);
      if (cluster === crashing) throw new Error("bug");
    },
    queue: {
      send: async (requests: readonly WatchPassRequest[]) => void sent.push([...requests]),
      sendApart: async (requests: readonly WatchPassRequest[]) => void sent.push(...requests.map((one) => [one])),
    },
    deadLetters: async (body: string) => void dead.push(body),
    log: QUIET,
    metrics,
  };
  return { deps, looked, sent, dead, counts: metrics.counts };
}

describe("a message of the discovery queue", () => {
  it("is a watch pass over each of its clusters that is in the fleet", async () => {
    const { deps, looked } = aDiscovery();
    await discoveryRecord(deps, aRecord(watchPassesBody(REQUESTS)), aDeadline());
    assert.deepEqual(looked, ["east", "west"]);
  });

  it("is nothing for a cluster that somebody has looked at since", async () => {
    const { deps, looked } = aDiscovery({ east: 0, west: 8 });
    await discoveryRecord(deps, aRecord(watchPassesBody(REQUESTS)), aDeadline());
    assert.deepEqual(looked, ["east"]);
  });

  it("comes again when a watch pass crashed, and the others are done", async () => {
    const { deps, looked } = aDiscovery(FENCES, "east");
    await assert.rejects(
      discoveryRecord(deps, aRecord(watchPassesBody(REQUESTS)), aDeadline()),
      /1 of 3 watch passes failed/,
    );
    assert.deepEqual(looked, ["east", "west"]);
  });

  it("lease-table 15: is split into single clusters when it comes a second time", async () => {
    const { deps, looked, sent } = aDiscovery();
    await discoveryRecord(deps, aRecord(watchPassesBody(REQUESTS), 2), aDeadline());
    assert.deepEqual([looked, sent], [[], REQUESTS.map((one) => [one])]);
  });

  it("is handed back when no time is left for it", async () => {
    const { deps, looked, sent } = aDiscovery();
    await discoveryRecord(deps, aRecord(watchPassesBody(REQUESTS)), aDeadline(true));
    assert.deepEqual([looked, sent], [[], [[...REQUESTS]]]);
  });

  it("that is not ours goes to the dead letters at once", async () => {
    const { deps, dead, counts } = aDiscovery();
    await discoveryRecord(deps, aRecord('{"v":1,"looks":[{"cluster":""}]}'), aDeadline());
    assert.deepEqual([dead.length, counts.keyferry_messages_refused_total], [1, 1]);
  });
});
