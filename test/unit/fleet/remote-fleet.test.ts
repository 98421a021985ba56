import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { remoteFleet } from "../../../lib/fleet/fleet-source.ts";
import type { FoundObject } from "../../../lib/util/read-object.ts";

const PLACE = "s3://bucket/fleet.yaml";
const away = new SyncError("STORE_UNAVAILABLE", "away");

/** A bucket with versions of fleet.yaml, and processes that read it. */
function aBucket() {
  const versions: string[] = [];
  const noted: string[] = [];
  const trouble: { ofS3?: Error; ofNotes?: Error; ofVersions?: Error } = {};
  const log: string[] = [];
  const notes: string[] = [];
  const event = (name: string): void => void log.push(name);
  const one = (at: number): FoundObject | undefined => {
    const text = versions[at - 1];
    return text === undefined ? undefined : { text, tag: `tag-${at}`, version: { id: `v${at}`, at } };
  };
  const process = () => {
    let now = 0;
    const source = remoteFleet({
      ...{ bucket: "bucket", key: "fleet.yaml", clock: () => now },
      ...{ log: { debug: event, info: event, warn: event, error: event }, metrics: { count: event } as never },
      async read(_key, tag) {
        if (trouble.ofS3) throw trouble.ofS3;
        const found = one(versions.length);
        return found !== undefined && found.tag === tag ? "unchanged" : found;
      },
      lastGood: {
        async read(key, version) {
          if (trouble.ofVersions) throw trouble.ofVersions;
          assert.equal(key, "fleet.yaml");
          return one(Number(version.slice(1)));
        },
        fleets: {
          async noted(place) {
            assert.equal(place, PLACE);
            return noted.at(-1);
          },
          async note(place, { id, at }) {
            assert.equal(place, PLACE);
            notes.push(`${id} ${at}`);
            if (trouble.ofNotes) throw trouble.ofNotes;
            noted.push(id);
          },
        },
      },
    });
    return {
      clusters: async () => (await source.current()).clusters.map(({ name }) => name),
      later(): void {
        now += 31_000;
      },
    };
  };
  const put = (...clusters: readonly string[]): void => {
    const all = clusters.map((name) => ({ name, connect: { kubeconfig: { path: "k" } } }));
    versions.push(JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters: all }));
  };
  return { process, put, breakIt: () => void versions.push("clusters: nonsense"), versions, trouble, log, notes };
}

describe("a fleet.yaml in a bucket that is broken", () => {
  it("leaves the last good one in force, in processes that have read it and in later ones", async () => {
    const bucket = aBucket();
    bucket.put("east");
    bucket.put("east", "west");
    const early = bucket.process();
    assert.deepEqual(await early.clusters(), ["east", "west"]);
    bucket.breakIt();
    early.later();
    const late = bucket.process();
    for (const one of [early, late, late]) assert.deepEqual(await one.clusters(), ["east", "west"]);
    assert.equal(bucket.log.filter((event) => event === "fleet-unreadable").length, 3);
    bucket.put("north");
    for (const one of [early, late]) assert.deepEqual(await one.clusters(), ["north"]);
  });

  it("leaves it in force also when what stands there is too large to be one", async () => {
    const bucket = aBucket();
    bucket.put("east");
    await bucket.process().clusters();
    bucket.trouble.ofS3 = new SyncError("STORE_INVALID", "it has more than 8 MiB");
    assert.deepEqual(await bucket.process().clusters(), ["east"]);
    assert.ok(bucket.log.includes("fleet-unreadable"));
    bucket.trouble.ofVersions = away;
    await assert.rejects(bucket.process().clusters(), { code: "STORE_INVALID" });
  });

  it("is none that nobody has read as a good one: the mistakes are told", async () => {
    const bucket = aBucket();
    bucket.put("east");
    bucket.breakIt();
    await assert.rejects(bucket.process().clusters(), { name: "InputError", message: /nonsense|not valid/ });
    const empty = aBucket();
    await assert.rejects(empty.process().clusters(), /there is no such object: upload/);
  });

  it("is told by its mistakes where the last good one can't be read", async () => {
    const bucket = aBucket();
    bucket.put("east");
    await bucket.process().clusters();
    bucket.breakIt();
    bucket.trouble.ofVersions = away;
    await assert.rejects(bucket.process().clusters(), { name: "InputError" });
    assert.ok(bucket.log.includes("last-fleet-not-read"));
    delete bucket.trouble.ofVersions;
    assert.deepEqual(await bucket.process().clusters(), ["east"]);
    bucket.versions[0] = "of a later keyferry";
    await assert.rejects(bucket.process().clusters(), { name: "InputError" });
  });

  it("is another failure than a bucket that does not answer", async () => {
    const bucket = aBucket();
    bucket.put("east");
    await bucket.process().clusters();
    bucket.trouble.ofS3 = away;
    await assert.rejects(bucket.process().clusters(), { code: "STORE_UNAVAILABLE" });
  });

  it("is noted once for each good version, and again where that failed", async () => {
    const bucket = aBucket();
    bucket.put("east");
    const one = bucket.process();
    bucket.trouble.ofNotes = away;
    assert.deepEqual(await one.clusters(), ["east"]);
    delete bucket.trouble.ofNotes;
    for (let n = 0; n < 3; n++) {
      one.later();
      await one.clusters();
    }
    bucket.put("west");
    one.later();
    await one.clusters();
    assert.deepEqual(bucket.notes, ["v1 1", "v1 1", "v2 2"]);
    assert.ok(bucket.log.includes("fleet-not-noted"));
  });
});
