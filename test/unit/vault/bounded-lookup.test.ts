import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { boundedLookup, type ResolveAll } from "../../../lib/vault/bounded-lookup.ts";

const ADDRESS = { address: "192.0.2.1", family: 4 };

/** A resolver whose answers come when the test says so. */
function aResolver() {
  const asked: string[] = [];
  const answers = new Map<string, () => void>();
  const resolve: ResolveAll = (hostname, _, callback) => {
    asked.push(hostname);
    answers.set(hostname, () => callback(null, [ADDRESS]));
  };
  return { asked, resolve, answer: (hostname: string) => answers.get(hostname)?.() };
}

describe("names that resources bring along", () => {
  it("are resolved few at a time, in their order, so that a silent name server leaves threads to others", () => {
    const { asked, resolve, answer } = aResolver();
    const lookup = boundedLookup(resolve, 2);
    const got: string[] = [];
    for (const name of ["a", "b", "c", "d"]) lookup(name, { all: true }, () => void got.push(name));
    assert.deepEqual(asked, ["a", "b"]);
    answer("b");
    assert.deepEqual([asked, got], [["a", "b", "c"], ["b"]]);
    answer("c");
    answer("d");
    answer("a");
    assert.deepEqual(got, ["b", "c", "d", "a"]);
  });

  it("are asked for once, however many want them at once, and again later", () => {
    const { asked, resolve, answer } = aResolver();
    const lookup = boundedLookup(resolve);
    const got: unknown[] = [];
    for (let times = 0; times < 3; times++) lookup("a", { all: true }, (_, addresses) => void got.push(addresses));
    assert.deepEqual(asked, ["a"]);
    answer("a");
    assert.deepEqual(got, [[ADDRESS], [ADDRESS], [ADDRESS]]);
    lookup("a", { all: true }, () => undefined);
    assert.deepEqual(asked, ["a", "a"]);
  });

  it("are asked for apart when another kind of address is wanted", () => {
    const { asked, resolve } = aResolver();
    const lookup = boundedLookup(resolve);
    for (const options of [{}, { family: 6 }, { hints: 32 }]) lookup("a", { all: true, ...options }, () => undefined);
    assert.deepEqual(asked, ["a", "a", "a"]);
  });

  it("are refused when too many wait", () => {
    const { resolve } = aResolver();
    const lookup = boundedLookup(resolve, 1);
    let refused = 0;
    for (let at = 0; at < 1_100; at++) lookup(`n-${at}`, { all: true }, (error) => void (error && refused++));
    assert.equal(refused, 99, "one is asked for, a thousand wait");
  });
});
