import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { withInjectorKey } from "../../../../cli/injector/key-text.ts";

const fleetOf = (cluster: string): string => `# ours
clusters:
  - {name: west,   connect: {}}   # two
${cluster}
vaults:   []
`;

/** A cluster east, and what becomes of it with the key a. */
const CASES: readonly (readonly [what: string, before: string, after: string])[] = [
  [
    "no injector",
    "  - name: east   # one\n    connect: {a: 1}",
    '  - name: east   # one\n    injector: {keys: ["a"]}\n    connect: {a: 1}',
  ],
  ["no injector, in one line", "  - {name: east}", '  - {name: east, injector: {keys: ["a"]}}'],
  [
    "an injector without keys",
    "  - name: east\n    injector:\n      # why\n      manage:  false",
    '  - name: east\n    injector:\n      # why\n      keys: ["a"]\n      manage:  false',
  ],
  ["an empty injector", "  - name: east\n    injector: {}", '  - name: east\n    injector: {keys: ["a"]}'],
  [
    "an injector in one line",
    "  - name: east\n    injector: {manage: false}",
    '  - name: east\n    injector: {keys: ["a"], manage: false}',
  ],
  [
    "a key in one line",
    "  - name: east\n    injector: { keys: [b],  manage: false } # x",
    '  - name: east\n    injector: { keys: ["a", b],  manage: false } # x',
  ],
  [
    "a key in a line of its own",
    "  - name: east\n    injector:\n      keys:\n        - b # old\n      manage: false\n    connect: {}",
    '  - name: east\n    injector:\n      keys:\n        - "a"\n        - b # old\n      manage: false\n    connect: {}',
  ],
];

describe("keys that are written into fleet.yaml", () => {
  for (const [what, before, after] of CASES) {
    it(`changes nothing else: ${what}`, () => {
      const text = fleetOf(before);
      const written = withInjectorKey(text, "east", "a");
      assert.equal(written, fleetOf(after));
      const keys: unknown[] = parse(written ?? "").clusters[1].injector.keys;
      assert.deepEqual(keys, before.includes("keys") ? ["a", "b"] : ["a"]);
      const windows = text.replaceAll("\n", "\r\n");
      assert.equal(withInjectorKey(windows, "east", "a"), fleetOf(after).replaceAll("\n", "\r\n"));
    });
  }

  it("says when a cluster stands elsewhere, or is none", () => {
    const aliases = "  - name: east\n    injector: &i {keys: [b]}\n  - name: other\n    injector: *i";
    assert.equal(withInjectorKey(fleetOf(aliases), "other", "a"), undefined);
    assert.equal(withInjectorKey(fleetOf("  - name: other"), "east", "a"), undefined);
    assert.equal(withInjectorKey("clusters: 1", "east", "a"), undefined);
  });
});
