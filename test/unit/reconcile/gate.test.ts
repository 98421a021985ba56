import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SyncKey } from "../../../lib/keys.ts";
import type { ReconcileDeps } from "../../../lib/reconcile/deps.ts";
import { reconciler } from "../../../lib/reconcile/reconcile.ts";
import { aKey } from "../../builders.ts";

/** Lets every promise that can go on do so. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A reconciler whose reads of rows end when the test says so, and find nothing. */
function aReconciler() {
  const reading: { readonly key: SyncKey; readonly end: () => void }[] = [];
  const leases = {
    read: ([key]: readonly SyncKey[]) =>
      new Promise((resolve) => key && reading.push({ key, end: () => resolve(new Map()) })),
  };
  const { handle } = reconciler({ leases } as unknown as ReconcileDeps);
  const send = (key: SyncKey, signal = new AbortController().signal) =>
    handle({ keys: [key], lane: "now", at: 0 }, signal);
  return { reading, send };
}

const EIGHT = ["a", "b", "c", "d", "e", "f", "g", "h"];

describe("the gate of a cluster", () => {
  it("lets eight batches in at once, whatever waits; other clusters have gates of their own", async () => {
    const { reading, send } = aReconciler();
    const all = [...EIGHT, "i", "j"].map((name) => send(aKey(name)));
    all.push(send(aKey("a", "west")));
    await settled();
    const inside = () => reading.map(({ key }) => key);
    assert.deepEqual(inside(), [...EIGHT.map((name) => aKey(name)), aKey("a", "west")]);
    reading[1]?.end();
    await settled();
    assert.deepEqual(inside().slice(9), [aKey("i")]);
    for (const { end } of reading) end();
    await settled();
    for (const { end } of reading) end();
    assert.deepEqual(await Promise.all(all), Array(11).fill({ failed: [] }));
  });

  it("gives back what still waits when there is no time left", async () => {
    const { reading, send } = aReconciler();
    const inside = EIGHT.map((name) => send(aKey(name)));
    const stop = new AbortController();
    const outside = send(aKey("i"), stop.signal);
    await settled();
    stop.abort();
    const { failed } = await outside;
    assert.deepEqual(
      failed.map(({ key }) => key),
      [aKey("i")],
    );
    for (const { end } of reading) end();
    await Promise.all(inside);
  });
});
