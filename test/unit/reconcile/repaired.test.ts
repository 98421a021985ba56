import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Repairs } from "../../../lib/ports/rows.ts";
import { repairsOf, tellFight } from "../../../lib/reconcile/repaired.ts";
import { aDeclared, aRow } from "../../builders.ts";

const NOW = 1_000_000;
const declared = aDeclared();
const rowWith = (digest: string, appliedHash: string, repairs?: Repairs) =>
  aRow({ declared, state: { ...aRow().state, digest, appliedHash, ...(repairs ? { repairs } : {}) } });

describe("a run that wrote a Secret", () => {
  const wrote = { learned: { owned: [], wrote: "its data differs" }, digest: "d" };

  it("repaired it, where neither Vault's data nor the declaration changed", () => {
    const repairs = { since: NOW, count: 1 };
    assert.deepEqual(repairsOf(rowWith("d", declared.hash), wrote, NOW), { repairs });
    const again = rowWith("d", declared.hash, repairs);
    assert.deepEqual(repairsOf(again, wrote, NOW + 1), { repairs: { since: NOW, count: 2 } });
    assert.deepEqual(repairsOf(rowWith("other", declared.hash), wrote, NOW), {});
    assert.deepEqual(repairsOf(rowWith("d", "other"), wrote, NOW), {});
    assert.deepEqual(repairsOf(again, { ...wrote, learned: { owned: [] } }, NOW), {});
  });

  it("tells of the tenth repair, and of no other one, with a name that is plain", async () => {
    const told = async (before: number, count: number, over?: string) => {
      const messages: string[] = [];
      const lines: unknown[] = [];
      const log = { warn: (event: string, fields: object) => void lines.push([event, fields]) };
      const claim = { row: rowWith("d", "h", { since: NOW, count: before }) };
      const origin = { emit: async ({ message }: { message: string }) => void messages.push(message) };
      const learned = { owned: [], ...(over === undefined ? {} : { over }) };
      const repairs = { since: NOW, count };
      const { signal } = new AbortController();
      await tellFight({ log } as never, { claim, origin } as never, { learned }, { repairs }, signal);
      return { lines, messages };
    };
    for (const [before, count] of [
      [8, 9],
      [10, 10],
      [10, 11],
      [10, 1],
    ] as const)
      assert.deepEqual(await told(before, count), { lines: [], messages: [] });
    const named = await told(9, 10, "argocd-controller");
    assert.match(named.messages[0] ?? "", /; the last other program that wrote to it is argocd-controller\. From/);
    const key = aRow().key;
    assert.deepEqual(named.lines, [["secret-contested", { key, repairs: 10, lastOther: "argocd-controller" }]]);
    for (const name of [undefined, "a b", "\u202e", "a".repeat(65)]) {
      const { lines, messages } = await told(9, 10, name);
      assert.match(messages[0] ?? "", /put back each time\. From now on/);
      assert.deepEqual(lines, [["secret-contested", { key, repairs: 10 }]]);
    }
  });
});
