import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../lib/errors.ts";
import { aNamespace, aStaticSecret, aVaultAuth, aVaultConnection, aVaultSecret, VAULT } from "./world/builders.ts";
import type { Effect } from "./world/effects.ts";
import type { Keyferry } from "./world/process.ts";
import { aWorld } from "./world/world.ts";

/**
 * Syncs that name a VaultAuth become due a minute later before its change is stored. The pass stands still in between, for
 * longer than that, then stores it, and does not come to nudge them: it dies, or the answer to its write is lost.
 */
describe("a changed VaultAuth, whose pass stands still before it stores it", () => {
  for (const [where, end] of [
    ["putReference", "dies after"],
    ["removeReference", "does not hear that it is stored"],
  ] as const)
    it(`lease-table 23: reaches the syncs that name it; ${where}; ${end}`, async () => {
      await using world = await aWorld();
      await world.given(aVaultSecret(), aStaticSecret("db", { refreshAfter: "240h" }));
      await world.advance("30s");
      assert.match(world.condition("db"), /^True/);
      world.crash();
      await world.advance("150s");
      const opened = Promise.withResolvers<void>();
      let isArmed = false;
      let [looks, stored] = [0, 0];
      let late: Keyferry | undefined;
      const stands = async (): Promise<void> => {
        looks += 1;
        if (looks === 1) await opened.promise;
      };
      const ends = (): void => {
        stored += 1;
        if (stored > 1) return;
        if (end === "dies after") late?.crash();
        else throw new SyncError("STORE_UNAVAILABLE", "no answer");
      };
      const effect: Effect = async (name, work) => {
        const result = await work();
        if (isArmed && name === "store nudgeAll") await stands();
        if (isArmed && name === `store ${where}`) ends();
        return result;
      };
      late = world.start({ effect });
      await world.advance("5s");
      isArmed = true;
      if (where === "putReference")
        await world.edit("VaultAuth", "default", { spec: { mount: "nowhere" } }, { namespace: "vso" });
      else await world.remove("VaultAuth", "default", { namespace: "vso" });
      await world.advance("1s");
      assert.deepEqual([looks, stored], [1, 0], "its syncs are to be due soon, and it is not stored yet");
      await world.advance("45s");
      opened.resolve();
      await world.advance("1s");
      assert.ok(stored > 0);
      if (end === "dies after") {
        await world.advance("3m");
        world.start();
      }
      await world.advance("10m");
      assert.match(world.condition("db"), /^False/);
    });
});

describe("a watch pass that is late, and another one that begins within seconds after it asked", () => {
  it("lease-table 21: does not store a declaration that the other one saw go", async () => {
    await using world = await aWorld({ isAsleep: true });
    // Rows are written by hundreds.
    const names = Array.from({ length: 101 }, (_, at) => `s${String(at).padStart(3, "0")}`);
    await world.given(aVaultSecret(), ...names.map((name) => aStaticSecret(name, { path: "db", refreshAfter: "1h" })));
    const [listed, written] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let [lists, isOpen, writes] = [0, false, 0];
    const effect: Effect = async (name, work) => {
      const result = await work();
      if (name === "list vaultstaticsecrets" && ++lists === 1) await listed.promise;
      if (name === "store declare" && isOpen && ++writes === 1) await written.promise;
      return result;
    };
    const late = world.start({ effect });
    await world.advance("5m");
    assert.equal(lists, 1, "it holds the list, longer than its lease");
    isOpen = true;
    listed.resolve();
    await world.advance("100ms");
    assert.ok(writes >= 100, "it has asked, and has stored the first hundred");
    await world.remove("VaultStaticSecret", "s100");
    world.start();
    await world.advance("3s");
    written.resolve();
    await world.advance("20s");
    late.crash();
    const stored = async () =>
      (await world.store.byCluster("east")).map(({ key }) => String(key)).filter((key) => key.includes("s100"));
    assert.deepEqual(await stored(), []);
  });
});

describe("a watch pass that stands still before it marks the operator namespace", () => {
  it("lease-table 25: does not take a namespace of the same name for it, which somebody made meanwhile", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aStaticSecret());
    await world.advance("30s");
    assert.match(world.condition("db"), /^True/);
    world.crash();
    await world.advance("3m");
    // The namespace is being deleted, and something keeps it: the mark is gone, and its uid can still be read.
    await world.given({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "held", namespace: "vso", finalizers: ["example.com/held"] },
      data: {},
    });
    await world.cluster().delete({ apiVersion: "v1", kind: "Namespace", name: "vso" });
    await world.advance("1s");
    const opened = Promise.withResolvers<void>();
    let times = 0;
    const effect: Effect = async (name, work, about) => {
      const result = await work();
      const call = (about ?? {}) as { readonly name?: string };
      if (name === "get namespaces" && call.name === "vso") {
        times += 1;
        if (times === 1) await opened.promise;
      }
      return result;
    };
    world.start({ effect });
    await world.advance("10s");
    assert.equal(times, 1, "it has read the uid of the namespace, and is about to mark it");
    await world.edit("ConfigMap", "held", { metadata: { finalizers: null } }, { namespace: "vso" });
    await world.advance("1s");
    await world.advance("30s");
    await world.given(aNamespace("vso"));
    opened.resolve();
    await world.advance("3m");
    const { operator } = (await world.store.cluster("east"))?.state ?? {};
    await world.given(
      aVaultConnection("default", VAULT, "vso"),
      aVaultAuth("default", { mount: "kubernetes-east", allowedNamespaces: ["*"] }, "vso"),
    );
    await world.advance("2m");
    const references = await world.store.referencesOf("east");
    assert.deepEqual(
      references.map(({ key, isStranger }) => [key, isStranger]),
      references.map(({ key }) => [key, true]),
      `the defaults of a stranger have no powers: ${JSON.stringify(operator)}`,
    );
    assert.equal(operator?.without, "later");
  });
});
