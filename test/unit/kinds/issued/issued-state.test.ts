import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type IssuedState, issuedState, ownIssued } from "../../../../lib/kinds/issued/issued-state.ts";
import { requestNow, requestOf } from "../../../../lib/kinds/issued/request-of.ts";
import { aResolved } from "./a-credential.ts";

describe("what a row knows of an issuing kind", () => {
  const full: IssuedState = {
    ...{ request: "r", tried: "t", refresh: "1", keys: ["a"], asks: [1], issuedAt: 1, replaceAt: 2, planned: "p" },
    ...{ unanswered: [2], isLeaseless: true, isTaken: true, isDenied: true, missing: ["m"], made: { a: 1 } },
  };

  it("is read as it was written", () => {
    assert.deepEqual(issuedState({ own: ownIssued(full) }), full);
    assert.deepEqual(issuedState({}), { keys: [], asks: [] });
    assert.deepEqual(ownIssued({ keys: [], asks: [], refresh: undefined as never }), { keys: [], asks: [] });
  });

  it("counts as missing where it can't be read", () => {
    const own = {
      ...{ request: 1, tried: 1, refresh: 1, keys: "a", asks: "1", issuedAt: "1", replaceAt: 1.5, planned: 1 },
      ...{ unanswered: 1, isLeaseless: "true", isTaken: 1, isDenied: 0, missing: {}, made: "a" },
    };
    assert.deepEqual(issuedState({ own }), { keys: [], asks: [] });
    const parts = { keys: ["a", 1], asks: [1, "2", 2 ** 60], unanswered: [2, "3"], missing: [1, "m"] };
    assert.deepEqual(issuedState({ own: parts }), { keys: ["a"], asks: [1], unanswered: [2], missing: ["m"] });
  });
});

describe("what issues anew", () => {
  const { asks, destination } = aResolved();
  const of = (changed: Parameters<typeof aResolved>[0]) => requestOf(aResolved(changed));
  const withIdentity = (changed: object) =>
    of({ asks: { ...asks, identity: { ...asks.identity, ...changed } as never } });
  const { method } = asks.identity;

  it("is another login, Secret or cause", () => {
    const others = [
      of({ cause: "another" }),
      ...[{ name: "web" }, { type: "kubernetes.io/tls" }, { create: false }].map((changed) =>
        of({ destination: { ...destination, ...changed } }),
      ),
      ...[
        { target: { ...asks.identity.target, address: "https://other.example" } },
        ...[{ namespace: "other" }, { mount: "other" }, { headers: { a: "b" } }],
        { method: { ...method, role: "other" } },
        { method: { ...method, credential: { ...method.credential, name: "other" } } },
      ].map(withIdentity),
    ];
    assert.equal(new Set([of({}), ...others]).size, others.length + 1);
  });

  it("is another transformation, but not the missingKey of all templates of a cluster", () => {
    const { transformation } = aResolved();
    const other = aResolved({ transformation: { ...transformation, excludeRaw: false } });
    const strict = aResolved({ transformation: { ...transformation, missingKey: "error" } });
    assert.equal(new Set([of({}), requestOf(other), requestOf(strict)]).size, 3);
    assert.deepEqual(
      [aResolved(), strict].map((before) => requestNow(requestOf(before), strict)),
      [requestOf(strict), requestOf(strict)],
    );
    assert.equal(requestNow(requestOf(strict), aResolved()), of({}));
    assert.equal(requestNow(requestOf(strict), other), requestOf(strict));
    assert.equal(requestNow("another", strict), "another");
  });

  it("is no other version of what says it, and nothing of what it is used for", () => {
    const version = { method: { ...method, credential: { ...method.credential, version: "2" } } };
    for (const same of [
      withIdentity(version),
      withIdentity({ id: "other" }),
      of({ renewalPercent: 50 }),
      of({ revokesReplaced: false }),
    ])
      assert.equal(same, of({}));
  });
});
