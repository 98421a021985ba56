import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  isTime,
  parsed,
  soundClusterState,
  soundDeclared,
  soundHubState,
  soundIssues,
  soundPushed,
  soundReference,
  soundSlot,
  soundState,
} from "../../../lib/store/stored.ts";

type Shape = Readonly<Record<string, unknown>>;
const LAST = 8.64e15;
const KEY = "east/VaultAuth/shop/a";
const ERROR = { code: "VAULT_SEALED", message: "why", since: 1 };

/** The same with each member of it in turn missing, and of another type. */
function broken(whole: Shape): readonly Shape[] {
  return Object.keys(whole).flatMap((name) => {
    const { [name]: _, ...rest } = whole;
    return [rest, { ...whole, [name]: null }];
  });
}

/** Each member of a whole one, with values that it may not have. */
type Bad = Readonly<Record<string, readonly unknown[]>>;
const NO_TEXT = [7, null, {}, []];
const NO_TEXTS = ["a", {}, ["a", 7]];
const NO_COUNT = [-1, 0.5, "1", 2 ** 53, null];
const NO_TIME = [...NO_COUNT, LAST + 1];
const NO_SHAPE = ["a", [], null, 7];
const NO_ERROR = [
  null,
  ...broken(ERROR),
  { ...ERROR, code: "NO_SUCH_CODE" },
  { ...ERROR, code: ["VAULT_SEALED"] },
  { ...ERROR, since: LAST + 1 },
];
const NO_LIST_OF_KEYS = [{}, "a", ["nowhere"], [7], [KEY, "a/b/c"]];

function calls() {
  let count = 0;
  return { damaged: () => void count++, count: () => count };
}

/** A reader that drops what can be done without, one member at a time. */
function drops(read: (value: unknown) => unknown, whole: Shape, bad: Bad): void {
  for (const [name, values] of Object.entries(bad)) {
    const { [name]: _, ...rest } = whole;
    it(`does without a bad ${name}, and without any`, () => {
      for (const value of values) assert.deepEqual(read({ ...whole, [name]: value }), rest, JSON.stringify(value));
      assert.deepEqual(read(rest), rest);
    });
  }
}

/** A reader that can't do without these. */
function needs(read: (value: unknown) => unknown, whole: Shape, bad: Bad, nothing: unknown): void {
  for (const [name, values] of Object.entries(bad)) {
    const { [name]: _, ...rest } = whole;
    it(`can't do without ${name}`, () => {
      assert.deepEqual(read(rest), nothing);
      for (const value of values) assert.deepEqual(read({ ...whole, [name]: value }), nothing, JSON.stringify(value));
    });
  }
}

describe("the state of a row, as it is read", () => {
  const PLACE = { vault: "main", path: "kv/db", role: "read" };
  const ROLLOUT = { digest: "d", since: 1, at: 2, attempts: 3 };
  const SEEN = { resourceVersion: "7", status: {}, hash: "h" };
  const REPAIRS = { since: 1, count: 2 };
  const UNSENT = { id: "i", kind: "k", at: 1, detail: {} };
  const NEEDED = { refs: [KEY], owned: [{ name: "db", uid: "u", resourceVersion: "7" }], attempts: 2 };
  const WHOLE = {
    ...NEEDED,
    ...{ awaits: ["a"], place: PLACE, waitsFor: "w", digest: "d", rolledDigest: "r", rollout: ROLLOUT },
    ...{
      appliedHash: "h",
      blanks: "b",
      seen: SEEN,
      error: ERROR,
      syncedAt: 1,
      settledAt: LAST,
      bridgeUntil: 3,
      busyUntil: 4,
    },
    ...{ busyFence: 5, retainUntil: 5, unsent: [UNSENT], repairs: REPAIRS, unknown: "it passes" },
  };
  const EMPTY = { refs: [], owned: [], attempts: 0 };
  const read = (value: unknown) => soundState(value, () => undefined);

  it("is as it was written, whatever role its place has", () => {
    const { damaged, count } = calls();
    const pushing = { ...WHOLE, place: { ...PLACE, role: "push" } };
    for (const state of [WHOLE, pushing]) assert.deepEqual(soundState(state, damaged), state);
    assert.equal(count(), 0);
  });

  needs(read, WHOLE, { refs: NO_LIST_OF_KEYS, owned: [{}, [7], [null], [{}], [[]]], attempts: NO_COUNT }, EMPTY);
  drops(read, WHOLE, {
    ...{ awaits: NO_TEXTS, waitsFor: NO_TEXT, digest: NO_TEXT, rolledDigest: NO_TEXT, appliedHash: NO_TEXT },
    blanks: NO_TEXT,
    place: [...NO_SHAPE, ...broken(PLACE), { ...PLACE, role: "other" }],
    repairs: [...NO_SHAPE, ...broken(REPAIRS)],
    rollout: [...NO_SHAPE, ...broken(ROLLOUT), { ...ROLLOUT, since: LAST + 1 }, { ...ROLLOUT, at: LAST + 1 }],
    seen: [
      ...NO_SHAPE,
      ...broken(SEEN),
      { ...SEEN, resourceVersion: "x" },
      { ...SEEN, resourceVersion: 7 },
      { ...SEEN, resourceVersion: "1".repeat(21) },
    ],
    ...{ error: NO_ERROR, syncedAt: NO_TIME, settledAt: NO_TIME, bridgeUntil: NO_TIME, busyUntil: NO_TIME },
    ...{ busyFence: NO_COUNT, retainUntil: NO_TIME, unsent: ["a", {}, ...broken(UNSENT).map((one) => [one])] },
  });

  it("begins anew when it can't be read, which is told", () => {
    const { damaged, count } = calls();
    for (const value of [undefined, null, 7, [], "text"]) assert.deepEqual(soundState(value, damaged), EMPTY);
    assert.equal(count(), 5);
  });

  it("has Secrets without a version where one of them has none to believe", () => {
    const { damaged, count } = calls();
    const owned = [
      { name: "a", resourceVersion: "7" },
      { name: "b", uid: "u", resourceVersion: "x" },
    ];
    assert.deepEqual(soundState({ ...NEEDED, owned }, damaged), {
      ...NEEDED,
      owned: [{ name: "a" }, { name: "b", uid: "u" }],
    });
    assert.equal(count(), 1);
    assert.deepEqual(soundState({ ...NEEDED, owned: [{ name: "a" }] }, damaged).owned, [{ name: "a" }]);
    assert.equal(count(), 1);
  });
});

describe("a declaration and a reference, as they are read", () => {
  const SEEN = { resourceVersion: "7", status: {} };
  const VERSIONED = {
    uid: "u",
    generation: 1,
    hash: "h",
    labels: { a: "b" },
    annotations: { c: "d" },
    spec: {},
    tooLarge: 7,
  };
  const DECLARED = { ...VERSIONED, group: "g", deleting: false, seen: SEEN };
  const REFERENCE = { ...VERSIONED, key: KEY };
  const NO_LABELS = [...NO_SHAPE, { a: 7 }, { a: "b", c: 7 }];
  const BAD = {
    uid: NO_TEXT,
    generation: NO_COUNT,
    hash: NO_TEXT,
    labels: NO_LABELS,
    annotations: NO_LABELS,
    spec: NO_SHAPE,
  };

  it("are as they were written", () => {
    assert.deepEqual(soundDeclared(DECLARED), DECLARED);
    assert.deepEqual(soundReference(REFERENCE), REFERENCE);
  });

  const ofDeclared = { ...BAD, group: NO_TEXT, deleting: ["true", 1, null], seen: [...NO_SHAPE, ...broken(SEEN)] };
  needs(soundDeclared, DECLARED, ofDeclared, undefined);
  needs(soundReference, REFERENCE, { ...BAD, key: [...NO_TEXT, "nowhere"] }, undefined);
  drops(soundDeclared, DECLARED, { tooLarge: NO_COUNT });
  drops(soundReference, REFERENCE, { tooLarge: NO_COUNT });
});

describe("where discovery stands, as it is read", () => {
  const CURSOR = { resourceVersion: "7", movedAt: 1 };
  const APPROVAL = { since: 1, gone: 2, of: 3 };
  const KEPT = { rows: 1, bytes: 2 };
  const WHOLE = {
    ...{ cursors: { Secret: CURSOR }, attempts: 1, uid: "u", restores: 2, filter: "f", error: ERROR },
    ...{ awaitingApproval: APPROVAL, besideVso: ["shop"], vsoIn: {}, operator: {}, macKey: {}, told: 3, outOfSight: 4 },
    ...{ ranWith: "settings", formerUntil: 5, kept: KEPT, sameAs: "west", unread: { Secret: 6 } },
  };
  const EMPTY = { cursors: {}, attempts: 0 };
  const read = (value: unknown) => soundClusterState(value, () => undefined);

  it("is as it was written", () => {
    const { damaged, count } = calls();
    assert.deepEqual(soundClusterState(WHOLE, damaged), WHOLE);
    assert.equal(count(), 0);
    const removed = { ...WHOLE, awaitingApproval: { ...APPROVAL, removed: 4 } };
    assert.deepEqual(soundClusterState(removed, damaged), removed);
    assert.deepEqual(soundClusterState(7, damaged), EMPTY);
    assert.equal(count(), 1);
  });

  needs(read, WHOLE, { cursors: NO_SHAPE, attempts: NO_COUNT }, EMPTY);
  drops(read, WHOLE, {
    ...{ uid: NO_TEXT, restores: NO_COUNT, filter: NO_TEXT, error: NO_ERROR, besideVso: NO_TEXTS, vsoIn: NO_SHAPE },
    ...{ operator: NO_SHAPE, macKey: NO_SHAPE, told: NO_COUNT, outOfSight: NO_TIME, ranWith: NO_TEXT, sameAs: NO_TEXT },
    awaitingApproval: [
      ...NO_SHAPE,
      ...broken(APPROVAL),
      { ...APPROVAL, since: LAST + 1 },
      ...NO_COUNT.map((removed) => ({ ...APPROVAL, removed })),
    ],
    formerUntil: NO_TIME,
    unread: [...NO_SHAPE, ...NO_TIME.map((since) => ({ Secret: since }))],
    kept: [...NO_SHAPE, ...broken(KEPT)],
  });

  it("lists anew where a cursor is none, and only there", () => {
    const { damaged, count } = calls();
    for (const bad of [
      ...broken(CURSOR),
      { ...CURSOR, resourceVersion: "x" },
      { ...CURSOR, movedAt: LAST + 1 },
      null,
    ]) {
      const cursors = { Secret: CURSOR, VaultAuth: bad };
      assert.deepEqual(soundClusterState({ ...WHOLE, cursors }, damaged), WHOLE);
    }
    assert.equal(count(), 7);
  });
});

describe("the clusters of a hub, as they are read", () => {
  const MEMBER = {
    ...{ object: "argocd/east", resourceVersion: "7", name: "east", labels: { a: "b" }, settings: {} },
    ...{ server: "https://east.example.com", leadsTo: "f", since: 1 },
  };
  const WHOLE = {
    ...{ members: [{ ...MEMBER, uid: "u", checked: "c", double: "d" }, MEMBER], readAs: "r", isUnread: true },
    ...{ error: ERROR, awaitingApproval: { since: 1, gone: 2, of: 3 }, unknown: "it passes" },
  };
  const NO_MEMBER = [
    ...[7, null, []],
    ...broken(MEMBER),
    ...["uid", "checked", "double"].flatMap((name) => NO_TEXT.map((value) => ({ ...MEMBER, [name]: value }))),
    { ...MEMBER, labels: { a: 7 } },
    { ...MEMBER, since: LAST + 1 },
  ];

  it("are as they were written", () => {
    assert.deepEqual(soundHubState(WHOLE), WHOLE);
    for (const value of [undefined, null, 7, []]) assert.equal(soundHubState(value), undefined);
  });

  // Without one of its clusters it would look as if that had left.
  const members = ["a", {}, null, 7, ...NO_MEMBER.map((one) => [MEMBER, one])];
  needs(soundHubState, WHOLE, { members, readAs: NO_TEXT }, undefined);
  drops(soundHubState, WHOLE, {
    ...{ isUnread: ["true", 1, null], error: NO_ERROR },
    awaitingApproval: [...NO_SHAPE, ...broken(WHOLE.awaitingApproval), { ...WHOLE.awaitingApproval, since: LAST + 1 }],
  });
});

describe("what Vault gave and was given, as it is read", () => {
  const ISSUE = {
    ...{
      serial: "1",
      sealedToken: "s",
      target: "t",
      state: "live",
      askBefore: 1,
      tokenSeconds: 2,
      tokenRenewable: true,
    },
    lease: "l",
  };
  const PUSHED = { vault: "main", mount: "kv", path: "db", engine: "kv-v2", version: 3 };

  it("is kept as it was, in each of its states", () => {
    const { damaged, count } = calls();
    for (const state of ["asking", "got", "live", "ending"]) {
      assert.deepEqual(soundIssues([{ ...ISSUE, state }], damaged), [{ ...ISSUE, state }]);
    }
    assert.deepEqual(soundPushed([PUSHED], damaged), [PUSHED]);
    assert.equal(count(), 0);
  });

  it("errs on the safe side where an issue can be ended all the same", () => {
    const { damaged, count } = calls();
    const bad = { ...ISSUE, state: "lost", askBefore: LAST + 1, tokenSeconds: -1, tokenRenewable: "true" };
    const safe = { ...ISSUE, state: "ending", askBefore: 0, tokenSeconds: 0, tokenRenewable: false };
    assert.deepEqual(soundIssues([bad], damaged), [safe]);
    assert.equal(count(), 0);
  });

  it("is told of where it can't be worked with", () => {
    const { damaged, count } = calls();
    const { serial, sealedToken, target, ...rest } = ISSUE;
    const issues = broken({ serial, sealedToken, target }).map((one) => ({ ...rest, ...one }));
    for (const bad of issues) assert.deepEqual(soundIssues([bad, ISSUE], damaged), [ISSUE]);
    const { version, ...needed } = PUSHED;
    for (const bad of broken(needed)) assert.deepEqual(soundPushed([{ version, ...bad }, PUSHED], damaged), [PUSHED]);
    assert.deepEqual([soundIssues({}, damaged), soundPushed("text", damaged)], [[], []]);
    assert.equal(count(), 16);
  });
});

it("a text is parsed if it is JSON", () => {
  assert.deepEqual(['{"a":1}', "{", 7, undefined].map(parsed), [{ a: 1 }, undefined, undefined, undefined]);
});

it("a time is what a Date can hold", () => {
  assert.deepEqual([0, LAST, LAST + 1, -1].map(isTime), [true, true, false, false]);
});

it("a refresh slot comes again and again, and not all the time", () => {
  for (const [period, phase] of [
    [1, 0],
    [60, 59],
  ])
    assert.deepEqual(soundSlot(period, phase), { period, phase });
  for (const [period, phase] of [
    [0, 0],
    [60, 60],
    [60, -1],
    ["60", 1],
    [60, "1"],
  ]) {
    assert.equal(soundSlot(period, phase), undefined);
  }
});
