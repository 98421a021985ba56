import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Effect } from "../../../lib/audit/effect.ts";
import { changes } from "../../../lib/nudging/changes.ts";

const AT = Date.UTC(2030, 0, 1);

/** What these effects come to, one second after the other. */
function taken(...effects: readonly Effect[]) {
  const collected = changes();
  effects.forEach((effect, second) => {
    collected.add(effect, AT + second);
  });
  return collected.take();
}

const path = (more: Partial<Extract<Effect, { kind: "path" }>> = {}): Effect => ({
  kind: "path",
  path: "kv/db",
  ...more,
});
const place = (at: number, more: object = {}) => ({ where: "path", path: "kv/db", at: AT + at, ...more });

describe("changes of one window", () => {
  it("are none without an effect, and are taken once", () => {
    assert.deepEqual(taken(), { places: [] });
    const collected = changes();
    for (const effect of [path(), { kind: "sweep" }, { kind: "tokens" }] as const) collected.add(effect, AT);
    assert.deepEqual(collected.take(), { places: [place(0)], sweep: "all", tokens: "all" });
    assert.deepEqual(collected.take(), { places: [] });
  });

  it("are of a place each: of a path, of what is below it, and of what has an end of its own", () => {
    const below = { kind: "prefix", prefix: "kv/db" } as const;
    const { places } = taken(path(), below, { ...below, endsWith: "x" }, { ...below, endsWith: "y" }, below);
    assert.deepEqual(places, [
      place(0),
      place(4, { where: "prefix" }),
      place(2, { where: "prefix", endsWith: "x" }),
      place(3, { where: "prefix", endsWith: "y" }),
    ]);
  });

  const MERGED: readonly (readonly [what: string, effects: readonly Effect[], place: object])[] = [
    ["the higher version", [path({ version: 3 }), path({ version: 4 })], place(1, { version: 4 })],
    [
      "the higher version, though it came first",
      [path({ version: 4 }), path({ version: 3 })],
      place(0, { version: 4 }),
    ],
    ["the later of one version", [path({ version: 4 }), path({ version: 4 })], place(1, { version: 4 })],
    ["the later of two without a version", [path(), path()], place(1)],
    ["the version that follows a change without one", [path(), path({ version: 1 })], place(1, { version: 1 })],
    [
      "the version, and that a change without one came after it",
      [path({ version: 4 }), path()],
      place(0, { version: 4, changedAfter: true }),
    ],
    [
      "that a change came after a version, though an older write is told later",
      [path({ version: 4 }), path(), path({ version: 3 })],
      place(0, { version: 4, changedAfter: true }),
    ],
    [
      "that a change came after a version, though its write is told again",
      [path({ version: 4 }), path(), path({ version: 4 })],
      place(2, { version: 4, changedAfter: true }),
    ],
    ["a later version alone", [path({ version: 4 }), path(), path({ version: 5 })], place(2, { version: 5 })],
    ["that a lease may be gone, told first", [path({ lease: true }), path()], place(1, { lease: true })],
    ["that a lease may be gone, told last", [path(), path({ lease: true })], place(1, { lease: true })],
    [
      "a new beginning in place of the versions before it",
      [path({ version: 4, lease: true }), path({ forget: true })],
      place(1, { forget: true, lease: true }),
    ],
    [
      "the first version after a new beginning",
      [path({ version: 4 }), path({ forget: true }), path({ version: 1 })],
      place(2, { forget: true, version: 1 }),
    ],
  ];
  for (const [what, effects, merged] of MERGED) {
    it(`keep ${what}`, () => {
      assert.deepEqual(taken(...effects).places, [merged]);
    });
  }

  const SWEEPS: readonly (readonly [leases: readonly boolean[], sweep: string])[] = [
    [[true], "leases"],
    [[false], "all"],
    [[true, false], "all"],
    [[false, true], "all"],
    [[true, true], "leases"],
  ];
  for (const [leases, sweep] of SWEEPS) {
    it(`ask for one sweep, of ${sweep}, when they ask for ${leases.map((one) => (one ? "leases" : "all")).join(" and ")}`, () => {
      const effects = leases.map((lease): Effect => (lease ? { kind: "sweep", lease } : { kind: "sweep" }));
      assert.deepEqual(taken(...effects), { places: [], sweep });
    });
  }

  it("doubt the tokens of each mount once, or all of them", () => {
    const of = (...mounts: readonly (string | undefined)[]) =>
      taken(...mounts.map((mount): Effect => (mount === undefined ? { kind: "tokens" } : { kind: "tokens", mount })))
        .tokens;
    assert.deepEqual(of("auth/a", "auth/b", "auth/a"), ["auth/a", "auth/b"]);
    assert.equal(of("auth/a", undefined), "all");
    assert.equal(of(undefined, "auth/a"), "all");
  });
});
