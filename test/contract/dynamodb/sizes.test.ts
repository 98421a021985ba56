import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { circuitOfVault } from "../../../lib/circuits.ts";
import { DISPOSITIONS, RowTooLarge } from "../../../lib/errors.ts";
import { cleanupKey } from "../../../lib/keys.ts";
import { EMPTY_STATE, type OwnedSecret, type RowState } from "../../../lib/ports/rows.ts";
import { dynamoLeaseStore } from "../../../lib/store/dynamodb/dynamodb-store.ts";
import { declaredAddressProblem } from "../../../lib/vault-address.ts";
import { aDeclared, aKey, aPushed } from "../../builders.ts";
import { aScene, type OpenStore, SLOT, START } from "../../contract/lease-store/scene.ts";
import { type Dynalite, startDynalite } from "../../harness/dynalite.ts";

const WHEEL = { kind: "wheel", slot: SLOT } as const;
/** More than DynamoDB takes as one item. */
const LARGE = "x".repeat(420_000);
const MANY: readonly OwnedSecret[] = [{ name: LARGE }];
const state: RowState = { ...EMPTY_STATE, own: LARGE };
const tooLarge = { name: "RowTooLarge", code: "STORE_INVALID", message: /larger than DynamoDB stores/ };

describe("DynamoDB: a row that is too large", () => {
  let dynalite: Dynalite;
  before(async () => {
    dynalite = await startDynalite();
  });
  after(() => dynalite[Symbol.asyncDispose]());

  const open: OpenStore = async () => {
    const table = await dynalite.createTable();
    const store = dynamoLeaseStore({ client: dynalite.client, table });
    return { ...store, [Symbol.asyncDispose]: async () => {} };
  };

  it("is refused by its own code, and stays as it was", async () => {
    await using scene = await aScene(open);
    assert.equal(DISPOSITIONS.STORE_INVALID, "recheck");
    const read = await scene.declare();
    await assert.rejects(scene.claim(read, MANY), tooLarge);
    await assert.rejects(scene.claimPush(read, [aPushed("db", { keys: [LARGE] })]), tooLarge);
    assert.deepEqual(await scene.row(read.key), read);
    const lease = await scene.claim(read);
    await assert.rejects(scene.store.record(lease, state, scene.clock()), tooLarge);
    await assert.rejects(scene.settle(lease, WHEEL, state), tooLarge);
    assert.equal(await scene.settle(lease, WHEEL, { own: "small" }), "settled");
    assert.equal((await scene.row(read.key)).state.own, "small");
  });

  it("is refused as a clean-up, whose transaction is not tried again", async () => {
    await using scene = await aScene(open);
    const owned = (letter: string) => ({ owned: [{ name: letter.repeat(250_000) }] });
    const { key } = await scene.settled(WHEEL, { uid: "first" }, owned("a"));
    await scene.store.tombstone(key, "first", scene.clock());
    await scene.settled(WHEEL, { uid: "first", hash: "again" }, owned("b"));
    const before = scene.store.counts().tombstone ?? 0;
    await assert.rejects(scene.store.tombstone(key, "first", scene.clock()), tooLarge);
    assert.equal(scene.store.counts().tombstone, before + 1);
    assert.equal((await scene.store.read([key, cleanupKey(key, "first")], "strong")).size, 2, "both stay");
  });

  it("that is full leaves the nudges of others alone", async () => {
    const damaged: string[] = [];
    await using scene = await aScene(async () => {
      const table = await dynalite.createTable();
      const store = dynamoLeaseStore({ client: dynalite.client, table, onDamage: (row) => void damaged.push(row) });
      return { ...store, [Symbol.asyncDispose]: async () => {} };
    });
    const full = await scene.declare({ key: aKey("full") });
    const lease = await scene.claim(full);
    // The largest state that fits, to a few bytes.
    for (let bytes = 409_600; ; bytes -= 16) {
      const settled = await scene.settle(lease, WHEEL, { own: "x".repeat(bytes) }).catch(() => undefined);
      if (settled !== undefined) break;
    }
    const other = await scene.settled(WHEEL, { key: aKey("other") });
    const dues = await scene.store.nudgeAll([full.key, other.key], { now: scene.clock(), verify: true });
    assert.deepEqual([dues.map(({ key }) => key), damaged], [[other.key], [full.key]]);
  });

  it("holds the circuit of the longest address that may be declared, and refuses longer ones", async () => {
    await using scene = await aScene(open);
    const address = `https://vault.example/${"a".repeat(490)}`;
    assert.deepEqual([address.length, declaredAddressProblem(address)], [512, undefined]);
    const circuit = { code: "VAULT_SEALED", message: "", since: START, attempts: 1, fence: 1, probeAt: START } as const;
    const id = circuitOfVault(address);
    assert.equal(await scene.store.openCircuit({ id, ...circuit }), true);
    assert.deepEqual(await scene.store.circuits(), [{ id, ...circuit }]);
    const awaits = [`circuit:${id}`, `denied:${address}`] as const;
    const place = { vault: address, path: "kv/db", role: "read" } as const;
    const { key } = await scene.settled(WHEEL, {}, { awaits, place, waitsFor: id });
    for (const ref of awaits) assert.deepEqual(await scene.referring(ref), [key]);
    assert.deepEqual((await scene.store.byPlace(address, { path: "kv/db" })).items.length, 1);
    await assert.rejects(scene.store.openCircuit({ id: `${id}${"a".repeat(1_000)}`, ...circuit }), tooLarge);
  });

  it("is none of the others' business", async () => {
    await using scene = await aScene(open);
    await assert.rejects(
      scene.store.declare(aDeclared({ key: aKey(), spec: { x: LARGE } }), scene.clock()),
      RowTooLarge,
    );
    assert.equal((await scene.declare({ key: aKey("other") })).key, aKey("other"));
  });
});
