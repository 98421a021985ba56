import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { engineLines, engineView, isEngineWrong } from "../../../cli/engine-view.ts";
import { lockDataDir } from "../../../lib/store/sqlite/sqlite-store.ts";

const NOW = Date.UTC(2030, 0, 1);
const MINUTE = 60_000;
const iso = (at: number) => new Date(at).toISOString();
const leases = (dispatchedUntil: number | undefined, passes: readonly number[] = []) => ({
  dispatchedUntil: async () => dispatchedUntil,
  clusters: async () => passes.map((dueAt) => ({ name: "c", fence: 1, dueAt, state: { cursors: {}, attempts: 0 } })),
});

describe("whether an engine works on a lease table", () => {
  it("of a data directory: its lock says so; else its mark, or the last tick, since when not", async () => {
    const dir = mkdtempSync(join(tmpdir(), "keyferry-engine-"));
    const flags = { dataDir: dir };
    const view = (dispatchedUntil?: number) => engineView(flags, leases(dispatchedUntil), NOW);
    try {
      assert.deepEqual(await view(), { state: "stopped" });
      let now = NOW - 30 * MINUTE;
      const lock = lockDataDir(dir, () => now);
      assert.deepEqual(await view(), { state: "working" });
      now = NOW - 20 * MINUTE;
      lock[Symbol.dispose]();
      assert.deepEqual(await view(now - MINUTE), { state: "stopped", since: iso(now) }, "it ended by itself");
      const killed = await view(NOW - 5 * MINUTE + 2_000);
      assert.deepEqual(killed, { state: "stopped", since: iso(NOW - 5 * MINUTE) }, "it was killed");
      assert.deepEqual(await view(NOW + 60 * MINUTE), { state: "stopped", since: iso(now) }, "its clock was wrong");
      assert.deepEqual(await view(NOW + MINUTE), { state: "stopped", since: iso(NOW) }, "never in the future");
      const [line = "", ...others] = engineLines(killed, flags, NOW);
      assert.equal(others.length, 0);
      assert.match(line, /^No keyferry works with .*: the last one stopped 5m ago \(2029-12-31T23:55:00\.000Z\)/);
      assert.deepEqual(engineLines({ state: "working" }, flags, NOW), []);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it("of a stack: ticks or watch passes in the last minutes", async () => {
    const flags = { dataDir: "", stack: "keyferry-prod" };
    const view = (dispatchedUntil: number | undefined, passes: readonly number[] = []) =>
      engineView(flags, leases(dispatchedUntil, passes), NOW);
    assert.deepEqual(await view(NOW + 2 * MINUTE), { state: "working" });
    assert.deepEqual(await view(NOW - MINUTE), { state: "working" }, "some ticks were late");
    assert.deepEqual(await view(undefined), { state: "stopped" });
    const stopped = await view(NOW - 10 * MINUTE, [NOW - 11 * MINUTE]);
    assert.deepEqual(stopped, { state: "stopped", since: iso(NOW - 11 * MINUTE) });
    assert.deepEqual(await view(NOW - 60 * MINUTE, [NOW - MINUTE]), { state: "working" }, "ticks hold back");
    assert.deepEqual(await view(NOW - 10 * MINUTE, [NOW + 60 * MINUTE]), {
      state: "stopped",
      since: iso(NOW - 12 * MINUTE),
    });
    assert.match(engineLines(stopped, flags, NOW).join(), /stack keyferry-prod: .* 11m ago .*tick function/);
    assert.match(engineLines({ state: "stopped" }, flags, NOW).join(), /none was ever active/);
  });

  it("of a stack whose ticks go on: since when no watch pass ran over any cluster", async () => {
    const flags = { dataDir: "", stack: "keyferry-prod" };
    const view = (passes: readonly number[]) => engineView(flags, leases(NOW + 2 * MINUTE, passes), NOW);
    const blind = await view([NOW - 12 * 60 * MINUTE, NOW - 6 * MINUTE]);
    assert.deepEqual(blind, { state: "working", noWatchPassSince: iso(NOW - 6 * MINUTE) });
    assert.equal(isEngineWrong(blind), true);
    const [line = "", ...others] = engineLines(blind, flags, NOW);
    assert.equal(others.length, 0);
    assert.match(line, /^No cluster of stack keyferry-prod had a watch pass for 6m \(2029-12-31T23:54:00\.000Z\)/);
    for (const passes of [[], [NOW - 12 * 60 * MINUTE, NOW - 4 * MINUTE], [NOW - 60 * MINUTE, NOW + MINUTE]]) {
      assert.deepEqual(await view(passes), { state: "working" }, "no cluster, or one that had its pass");
    }
    assert.deepEqual(await view([NOW + 60 * MINUTE]), { state: "working" }, "its clock was wrong");
    assert.deepEqual([{ state: "working" } as const, { state: "stopped" } as const].map(isEngineWrong), [false, true]);
  });
});
