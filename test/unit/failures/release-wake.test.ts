import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ErrorCode, SyncError } from "../../../lib/errors.ts";
import { releaseWaker } from "../../../lib/failures/release-wake.ts";
import { cleanupKey, type SyncKey } from "../../../lib/keys.ts";
import type { WorkMessage } from "../../../lib/ports/queue.ts";
import type { Row } from "../../../lib/ports/rows.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import type { RowSummary } from "../../../lib/ports/store.ts";
import { aDeclared, aKey, aRow } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);

/** A row whose declaration wants this Secret. */
function rowOf(name: string, secret: string, code?: ErrorCode, more: Partial<Row> = {}): Row {
  const spec = { destination: { name: secret, create: true } };
  const state = { ...EMPTY_STATE, ...(code ? { error: { code, message: "", since: NOW } } : {}) };
  return aRow({ declared: aDeclared({ key: aKey(name), spec }), state, ...more });
}

function aTable(rows: readonly Row[]) {
  const [nudged, sent]: [SyncKey[], WorkMessage[]] = [[], []];
  let looks = 0;
  let fails: Error | undefined;
  const leases = {
    byCluster: async (): Promise<readonly RowSummary[]> => {
      looks++;
      if (fails) throw fails;
      return rows.map(({ key, declared: { uid, hash, generation }, state, leaseUntil }) => ({
        ...{ key, uid, hash, generation, refs: [], attempts: 0 },
        ...(state.error ? { error: state.error } : {}),
        ...(leaseUntil === undefined ? {} : { leaseUntil }),
      }));
    },
    read: async (keys: readonly SyncKey[]) =>
      new Map(rows.filter(({ key }) => keys.includes(key)).map((row) => [row.key, row])),
    nudge: async (key: SyncKey, options: object) => {
      assert.deepEqual(options, { now: NOW, verify: true, atOnce: true });
      nudged.push(key);
      return { key, group: "g", lane: "now" as const, at: NOW };
    },
  };
  const warned: string[] = [];
  const log = { debug() {}, info() {}, warn: (event: string) => void warned.push(event), error() {} };
  const queue = { send: async (messages: readonly WorkMessage[]) => void sent.push(...messages) };
  const wakes = releaseWaker({ leases: leases as never, queue, clock: () => NOW, log });
  const fail = (error: Error): void => {
    fails = error;
  };
  return { wakes, nudged, sent, warned, looks: () => looks, fail };
}

describe("who was refused a Secret is woken when it is released", () => {
  const db = { namespace: "shop", name: "db" };

  it("those that want it and were refused it, or may be about to be, and nobody else", async () => {
    const table = aTable([
      rowOf("refused", "db", "SECRET_NOT_OURS"),
      rowOf("waits", "db", "SECRET_TERMINATING"),
      rowOf("at-work", "db", undefined, { leaseUntil: NOW + 1 }),
      rowOf("other", "other", "SECRET_NOT_OURS"),
      rowOf("denied", "db", "VAULT_DENIED"),
      rowOf("in-step", "db"),
      { ...rowOf("gone", "db", "SECRET_NOT_OURS"), key: cleanupKey(aKey("gone"), "u") },
    ]);
    await table.wakes.wakeRefused("east", [db]);
    assert.deepEqual(
      table.nudged,
      ["refused", "waits", "at-work"].map((name) => aKey(name)),
    );
    assert.deepEqual(
      table.sent.flatMap(({ keys }) => keys),
      table.nudged,
    );
  });

  it("many at one moment cost two looks through the rows, and nothing costs none", async () => {
    const table = aTable([rowOf("refused", "db", "SECRET_NOT_OURS")]);
    await table.wakes.wakeRefused("east", []);
    assert.equal(table.looks(), 0);
    const first = table.wakes.wakeRefused("east", [{ ...db, name: "first" }]);
    await Promise.resolve();
    await Promise.all([first, ...Array.from({ length: 50 }, () => table.wakes.wakeRefused("east", [db]))]);
    assert.ok(table.looks() <= 2, `${table.looks()} looks`);
    assert.deepEqual(table.nudged, [aKey("refused")]);
  });

  it("a lease table that fails is said, and the next one is looked for all the same", async () => {
    const table = aTable([rowOf("refused", "db", "SECRET_NOT_OURS")]);
    table.fail(new SyncError("STORE_UNAVAILABLE", "away"));
    await table.wakes.wakeRefused("east", [db]);
    assert.deepEqual(table.warned, ["wake-failed"]);
    await table.wakes.wakeRefused("east", [db]);
    assert.equal(table.looks(), 2);
  });
});
