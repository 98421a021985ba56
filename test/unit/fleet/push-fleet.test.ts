import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InputError } from "../../../lib/errors.ts";
import { parseFleet } from "../../../lib/fleet/fleet.ts";
import { type PushOptions, pushFleet } from "../../../lib/fleet/push-fleet.ts";
import type { FleetObjects } from "../../../lib/ports/fleet-objects.ts";

/** A bucket in memory that notes the order of changes. */
function bucketWith(foreign: Readonly<Record<string, string>> = {}) {
  const objects = new Map(Object.entries(foreign));
  const ours = new Set<string>();
  const changes: string[] = [];
  const tagOf = (key: string) => objects.get(key);
  const bucket: FleetObjects = {
    read: async (key) => {
      const text = objects.get(key);
      return text === undefined ? undefined : { text, tag: text };
    },
    put: async (key, text, replaces) => {
      const expected = replaces === "absent" ? undefined : replaces?.tag;
      if (replaces !== undefined && tagOf(key) !== expected) return false;
      objects.set(key, text);
      ours.add(key);
      changes.push(`put ${key}`);
      return true;
    },
    list: async (prefix) => [...objects.keys()].filter((key) => key.startsWith(prefix)),
    isOurs: async (key) => ours.has(key),
    remove: async (key) => {
      objects.delete(key);
      changes.push(`remove ${key}`);
    },
  };
  return { bucket, objects, changes };
}

function fleetText(clusters: Readonly<Record<string, string>>): string {
  const entries = Object.entries(clusters).map(([name, path]) => ({ name, connect: { kubeconfig: { path } } }));
  return JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters: entries });
}

const OPTIONS: PushOptions = { dryRun: false, prune: false };

function push(
  bucket: FleetObjects,
  clusters: Readonly<Record<string, string>>,
  options: Partial<PushOptions> = {},
  content = "v1",
) {
  const text = fleetText(clusters);
  const files = new Map(Object.values(clusters).map((path) => [`eu/${path}`, content]));
  const input = { bucket: "b", key: "eu/fleet.yaml", text, fleet: parseFleet(text, "fleet.yaml"), files };
  return pushFleet(bucket, input, { ...OPTIONS, ...options });
}

describe("pushFleet", () => {
  it("uploads the files first and fleet.yaml last, and tells how the clusters change", async () => {
    const { bucket, changes } = bucketWith();
    const { objects, clusters } = await push(bucket, { a: "a.yaml", b: "b.yaml" });
    assert.deepEqual(changes, ["put eu/a.yaml", "put eu/b.yaml", "put eu/fleet.yaml"]);
    assert.deepEqual(
      objects.map(({ key, action }) => `${action} ${key}`),
      ["create eu/a.yaml", "create eu/b.yaml", "create eu/fleet.yaml"],
    );
    assert.deepEqual(clusters, { added: ["a", "b"], changed: [], left: [] });
  });

  it("writes nothing that is unchanged", async () => {
    const { bucket, changes } = bucketWith();
    await push(bucket, { a: "a.yaml" });
    changes.length = 0;
    const { objects } = await push(bucket, { a: "a.yaml" });
    assert.deepEqual(changes, []);
    assert.ok(objects.every(({ action }) => action === "unchanged"));
    const again = await push(bucket, { a: "a.yaml" }, {}, "v2");
    assert.deepEqual(changes, ["put eu/a.yaml"]);
    assert.deepEqual(again.clusters, { added: [], changed: [], left: [] });
  });

  it("changes nothing in a dry run, and tells the same", async () => {
    const { bucket, changes } = bucketWith();
    await push(bucket, { a: "a.yaml", b: "b.yaml" });
    changes.length = 0;
    const options = { dryRun: true, prune: true };
    const dry = await push(bucket, { a: "other.yaml" }, options);
    assert.deepEqual(changes, []);
    assert.deepEqual(dry.clusters, { added: [], changed: ["a"], left: ["b"] });
    assert.deepEqual(await push(bucket, { a: "other.yaml" }, { prune: true }), dry);
  });

  it("prunes only what keyferry uploaded, and not yet the files of the fleet that it replaces", async () => {
    const { bucket, objects } = bucketWith({ "eu/notes.txt": "mine", "us/fleet.yaml": "another fleet" });
    await push(bucket, { a: "a.yaml" });
    await push(bucket, { a: "b.yaml" }, { prune: true });
    assert.ok(objects.has("eu/a.yaml"), "functions may still use the fleet that names it");
    const { objects: pruned } = await push(bucket, { a: "b.yaml" }, { prune: true });
    assert.deepEqual(
      pruned.filter(({ action }) => action !== "unchanged").map(({ key, action }) => `${action} ${key}`),
      ["left eu/notes.txt", "remove eu/a.yaml"],
    );
    assert.deepEqual([...objects.keys()].sort(), ["eu/b.yaml", "eu/fleet.yaml", "eu/notes.txt", "us/fleet.yaml"]);
  });

  it("removes nothing without prune", async () => {
    const { bucket, objects } = bucketWith();
    await push(bucket, { a: "a.yaml" });
    await push(bucket, { b: "b.yaml" });
    await push(bucket, { b: "b.yaml" });
    assert.ok(objects.has("eu/a.yaml"));
  });

  it("replaces a broken fleet, whose clusters it can't compare", async () => {
    const { bucket, changes } = bucketWith({ "eu/fleet.yaml": "clusters: nonsense" });
    const { clusters } = await push(bucket, { a: "a.yaml" });
    assert.equal(clusters, undefined);
    assert.ok(changes.includes("put eu/fleet.yaml"));
  });

  it("does not replace a fleet that another push has just uploaded", async () => {
    const { bucket, objects } = bucketWith();
    await push(bucket, { a: "a.yaml" });
    const late: FleetObjects = {
      ...bucket,
      put: async (key, text, replaces) => {
        // Another push is first.
        if (key === "eu/fleet.yaml") objects.set(key, fleetText({ z: "z.yaml" }));
        return bucket.put(key, text, replaces);
      },
    };
    await assert.rejects(
      push(late, { b: "b.yaml" }),
      (error) => error instanceof InputError && /another push changed it meanwhile/.test(error.message),
    );
    assert.equal(objects.get("eu/fleet.yaml"), fleetText({ z: "z.yaml" }));
  });
});
