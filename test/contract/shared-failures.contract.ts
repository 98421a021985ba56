import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../../lib/clock.ts";
import type { SyncKey } from "../../lib/keys.ts";
import type { OpenStore } from "./lease-store/scene.ts";
import { type FleetInTime, fleetInTime } from "./shared-failures/fleet-in-time.ts";
import { type ScriptedVault, scriptedVault } from "./shared-failures/scripted-vault.ts";

const SOON = "10s";
const SELDOM = "12h";
/** No pause between two runs of one sync is shorter than this, once it has failed a few times. */
const SHORTEST_PAUSE_MS = 22 * SECOND_MS;

interface Scene {
  readonly vault: ScriptedVault;
  readonly fleet: FleetInTime;
}

export interface Sizes {
  /** Syncs that fail by one cause. */
  readonly many: number;
  /** How long what is missing stays so. */
  readonly longMs: number;
  /** How far time goes from one tick to the next; a second when not given. */
  readonly stepMs?: number;
}

/** How soon what was mended outside is seen, and what it costs until then: over a real lease table, in moved time. */
export function sharedFailuresContract(name: string, open: OpenStore, { many, longMs, stepMs }: Sizes): void {
  const withScene = async (test: (scene: Scene) => Promise<void>): Promise<void> => {
    await using vault = await scriptedVault();
    await using fleet = await fleetInTime(open, vault, stepMs);
    vault.roles.add("app");
    await test({ vault, fleet });
  };
  const names = (count: number, prefix = "s") => Array.from({ length: count }, (_, n) => `${prefix}${n}`);
  const allFailBy = async ({ fleet }: Scene, keys: readonly SyncKey[], code: string): Promise<boolean> => {
    for (const key of keys) if ((await fleet.row(key))?.state.error?.code !== code) return false;
    return true;
  };
  const declareAll = async (
    { fleet }: Scene,
    list: readonly string[],
    spec: { path: string; refreshAfter: string; role?: string },
  ): Promise<readonly SyncKey[]> => {
    const keys: SyncKey[] = [];
    for (const one of list) keys.push(await fleet.declare(one, spec));
    return keys;
  };

  describe(`failures outside, over ${name}`, { timeout: 600_000 }, () => {
    it("what was missing for long is seen within a minute by a sync that refreshes so often, within five by others", () =>
      withScene(async ({ vault, fleet }) => {
        for (const [one, refreshAfter] of [
          ["soon", SOON],
          ["minute", "60s"],
          ["seldom", SELDOM],
        ] as const) {
          await fleet.declare(one, { path: one, refreshAfter });
        }
        await fleet.pass(longMs);
        for (const one of ["soon", "minute", "seldom"]) vault.paths.add(one);
        await fleet.until(() => fleet.written.has("soon") && fleet.written.has("minute"), MINUTE_MS);
        await fleet.until(() => fleet.written.has("seldom"), 4 * MINUTE_MS);
      }));

    it(`${many} syncs that miss one path read it once for all, and all have it within a minute`, () =>
      withScene(async (scene) => {
        const { vault, fleet } = scene;
        const keys = await declareAll(scene, names(many), { path: "late", refreshAfter: SOON });
        await fleet.pass(2 * MINUTE_MS);
        assert.ok(await allFailBy(scene, keys, "VAULT_PATH_MISSING"));
        vault.asked();
        const before = fleet.settles();
        const lastMs = 5 * MINUTE_MS;
        await fleet.pass(lastMs);
        const { reads, logins } = vault.asked();
        assert.ok(reads > 0 && reads <= lastMs / SHORTEST_PAUSE_MS + 1, `${reads} reads`);
        assert.equal(logins, 0);
        const settles = fleet.settles() - before;
        assert.ok(settles <= 2 * many + reads, `${settles} settles`);
        vault.paths.add("late");
        await fleet.until(() => fleet.written.size === many, MINUTE_MS);
      }));

    it(`${many} syncs whose login is refused cost one login for all, whatever they read, and all work soon after`, () =>
      withScene(async (scene) => {
        const { vault, fleet } = scene;
        for (const one of names(many)) {
          vault.paths.add(one);
          await fleet.declare(one, { path: one, refreshAfter: SOON, role: "unborn" });
        }
        await fleet.pass(2 * MINUTE_MS);
        vault.asked();
        const lastMs = 5 * MINUTE_MS;
        await fleet.pass(lastMs);
        const { logins, reads } = vault.asked();
        assert.ok(logins > 0 && logins <= lastMs / SHORTEST_PAUSE_MS + 1, `${logins} logins`);
        assert.equal(reads, 0);
        vault.roles.add("unborn");
        await fleet.until(() => fleet.written.size === many, MINUTE_MS);
        assert.ok(vault.asked().logins <= 3);
      }));

    it("one that refreshes seldom asks for none that refreshes often, and is woken by those", () =>
      withScene(async (scene) => {
        const { vault, fleet } = scene;
        await fleet.declare("seldom", { path: "late", refreshAfter: SELDOM });
        await fleet.pass(10 * MINUTE_MS);
        await fleet.declare("soon", { path: "late", refreshAfter: SOON });
        await fleet.pass(5 * MINUTE_MS);
        vault.paths.add("late");
        await fleet.until(() => fleet.written.size === 2, MINUTE_MS);
      }));

    it("when who asked is gone, another one asks", () =>
      withScene(async (scene) => {
        const { vault, fleet } = scene;
        const keys = await declareAll(scene, names(5), { path: "late", refreshAfter: SOON });
        await fleet.pass(10 * MINUTE_MS);
        const rows = await Promise.all(keys.map((key) => fleet.row(key)));
        const isAsking = (row: (typeof rows)[number]) => (row?.dueAt ?? Infinity) <= fleet.now() + 46 * SECOND_MS;
        for (const row of rows.filter(isAsking)) if (row) await fleet.undeclare(row.key);
        const left = rows.filter((row) => !isAsking(row)).length;
        assert.ok(left > 0 && left < 5, `${left} left`);
        vault.paths.add("late");
        await fleet.until(() => fleet.written.size === left, 5 * MINUTE_MS);
      }));

    it("another failure of who asks is told to all", () =>
      withScene(async (scene) => {
        const { vault, fleet } = scene;
        const keys = await declareAll(scene, names(20), { path: "late", refreshAfter: SOON });
        await fleet.pass(5 * MINUTE_MS);
        vault.denied.add("late");
        await fleet.until(() => allFailBy(scene, keys, "VAULT_DENIED"), MINUTE_MS);
        vault.denied.delete("late");
        vault.paths.add("late");
        await fleet.until(() => fleet.written.size === 20, MINUTE_MS);
      }));

    it("a process that starts anew asks once for all, and wakes those that failed before it started", () =>
      withScene(async (scene) => {
        const { vault, fleet } = scene;
        await declareAll(scene, names(50), { path: "late", refreshAfter: SOON });
        await declareAll(scene, names(50, "login"), { path: "there", refreshAfter: SOON, role: "unborn" });
        vault.paths.add("there");
        await fleet.pass(5 * MINUTE_MS);
        fleet.restart();
        vault.asked();
        await fleet.pass(20 * SECOND_MS);
        const { reads, logins } = vault.asked();
        assert.ok(reads <= 3 && logins <= 3, `${reads} reads, ${logins} logins`);
        fleet.restart();
        vault.paths.add("late");
        vault.roles.add("unborn");
        await fleet.until(() => fleet.written.size === 100, MINUTE_MS + 10 * SECOND_MS);
      }));

    it("who is asked for gets a fresh answer, however young the refusal is that others met", () =>
      withScene(async (scene) => {
        const { vault, fleet } = scene;
        vault.paths.add("there");
        const [first] = await declareAll(scene, names(10), { path: "there", refreshAfter: SELDOM, role: "unborn" });
        assert.ok(first);
        await fleet.pass(3 * SECOND_MS);
        const attempts = (await fleet.row(first))?.state.attempts;
        assert.equal(attempts, 1);
        vault.roles.add("unborn");
        await fleet.store.nudge(first, { now: fleet.now(), verify: true });
        await fleet.until(() => fleet.written.has("s0"), 5 * SECOND_MS);
        // The others were woken by it.
        await fleet.until(() => fleet.written.size === 10, 10 * SECOND_MS);
      }));

    it("who knows of a failure has not tried", () =>
      withScene(async (scene) => {
        const { fleet } = scene;
        const keys = await declareAll(scene, names(30), { path: "late", refreshAfter: SOON });
        await fleet.pass(HOUR_MS / 4);
        const attempts = await Promise.all(keys.map(async (key) => (await fleet.row(key))?.state.attempts ?? 0));
        assert.ok(attempts.filter((count) => count <= 5).length >= 20, attempts.join(" "));
      }));
  });
}
