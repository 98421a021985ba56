import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decide } from "../../../../lib/destinations/vault/decide.ts";
import type { ObjectWork, PushRules, SeenObject } from "../../../../lib/destinations/vault/state.ts";
import { SyncError } from "../../../../lib/errors.ts";
import type { Pushed } from "../../../../lib/ports/rows.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import { aPushed } from "../../../builders.ts";

const NEW = "k:new";
const OLD = "k:old";
const EYE = "k:eve";
const RULES: PushRules = {
  ...{ look: false, isNew: false, conflict: "fail", subject: "Secret shop/db", declaration: "h", now: 1_000_000 },
  isOfThisKey: (digest) => digest.startsWith("k:"),
};
const data = (digest: string, version?: number): SeenObject => ({
  ...{ kind: "data", digest, ownDigest: digest, stale: [] },
  ...(version === undefined ? {} : { version }),
});

function decided(
  recorded: Partial<Pushed>,
  seen: SeenObject,
  rules: Partial<PushRules> = {},
  more: Partial<ObjectWork> = {},
) {
  const at = { mount: "kv", path: "db", engine: "kv-v2" } as const;
  const work: ObjectWork = {
    ...{ name: "", at, body: new Map(), fields: new Map(), list: "", digest: NEW, seen, isDone: false },
    recorded: aPushed("db", recorded),
    ...more,
  };
  try {
    const decision = decide(work, { ...RULES, ...rules });
    return decision === undefined ? "nothing" : [decision.kind, ...("cas" in decision ? [decision.cas] : [])].join(" ");
  } catch (error) {
    if (error instanceof SyncError) return error.code;
    throw error;
  }
}

const UNREAD: SeenObject = { kind: "unread" };
const HAS = { digest: NEW, version: 3 };
const HAD = { digest: OLD, version: 3 };
const KV_V1 = { mount: "old", path: "db", engine: "kv-v1" } as const;

describe("what is done with a path of Vault", () => {
  const cases: Readonly<Record<string, readonly [actual: string, expected: string]>> = {
    "as recorded, and nobody asks": [decided(HAS, UNREAD), "nothing"],
    "as recorded, and Vault is to be read": [decided(HAS, UNREAD, { look: true }), "read"],
    "a changed Secret replaces the recorded version": [decided(HAD, UNREAD), "put 3"],
    "without its version the path is read first": [decided({ digest: OLD }, UNREAD), "read"],
    "a changed Secret replaces what stands in kv-v1, which has no versions": [
      decided({ digest: OLD }, UNREAD, {}, { at: KV_V1 }),
      "put 0",
    ],
    "a digest of another key tells nothing": [decided({ digest: "other:x", version: 3 }, UNREAD), "read"],
    "a path without a record is read first": [decided({}, UNREAD), "read"],
    "after a refused write it is read": [decided(HAD, UNREAD, {}, { refusedAt: 3 }), "read"],
    "the same version with the same data": [decided(HAS, data(NEW, 3), { look: true }), "nothing"],
    "another version with the same data is recorded": [decided(HAS, data(NEW, 5)), "record"],
    "equal data at first sight is recorded": [decided({}, data(NEW, 2)), "record"],
    "an edit is restored at its version": [decided(HAS, data(EYE, 4)), "put 4"],
    "a deleted version is restored": [decided(HAS, { kind: "deleted", version: 4 }), "put 4"],
    "a removed path is restored": [decided(HAS, { kind: "absent" }), "put 0"],
    "kv-v1 has no versions: a refusal is one of the body": [
      decided({ digest: OLD }, data(OLD), {}, { refusedAt: 0, at: KV_V1 }),
      "VAULT_ANSWER_INVALID",
    ],
    "nothing there at first sight": [decided({}, { kind: "absent" }), "put 0"],
    "a deleted version at first sight": [decided({}, { kind: "deleted", version: 7 }), "put 7"],
    "someone else's data: another row's, perhaps": [decided({}, data(EYE, 2)), "claim"],
    "which stays, if it is no row's": [decided({}, data(EYE, 2), {}, { isClaimed: true }), "PUSH_CONFLICT"],
    "or is adopted": [decided({}, data(EYE, 2), { conflict: "adopt" }), "put 2"],
    "or is merged with": [decided({}, data(EYE, 2), { conflict: "merge" }), "patch 2"],
    "what a crashed run wrote is ours": [decided({ writing: EYE }, data(EYE, 2)), "put 2"],
    "unreadable: the recorded version is replaced": [decided(HAD, { kind: "denied" }), "put 3"],
    "unreadable: a new path is written where nothing is": [decided({}, { kind: "denied" }), "put 0"],
    "unreadable, and nothing tells what stands there in kv-v1": [
      decided({ digest: OLD }, { kind: "denied" }, {}, { at: KV_V1 }),
      "VAULT_DENIED",
    ],
    "unreadable, and moved": [decided(HAD, { kind: "denied" }, {}, { refusedAt: 3 }), "VAULT_DENIED"],
    "unreadable, and in step": [decided(HAS, { kind: "denied" }), "nothing"],
    "refused at the very version that stands there": [
      decided(HAD, data(OLD, 3), {}, { refusedAt: 3 }),
      "VAULT_ANSWER_INVALID",
    ],
    done: [decided(HAD, UNREAD, {}, { isDone: true }), "nothing"],
    "written twenty times in ten minutes": [decided({ ...HAD, burst: { since: 900_000, count: 20 } }, UNREAD), "park"],
    "which is over after that": [decided({ ...HAD, burst: { since: 100_000, count: 20 } }, UNREAD), "put 3"],
    "parked, however long ago": [decided({ ...HAD, burst: { since: 1, count: 20, parked: "h" } }, UNREAD), "park"],
    "parked for a former declaration": [
      decided({ ...HAD, burst: { since: 900_000, count: 20, parked: "former" } }, UNREAD),
      "put 3",
    ],
  };
  for (const [what, [actual, expected]] of Object.entries(cases)) it(what, () => assert.equal(actual, expected));

  it("a path whose removal was cut off is read, and counts as ours only when it was seen", () => {
    const has = { ...HAS, removing: true } as const;
    assert.equal(decided(has, UNREAD), "read");
    assert.equal(decided({ ...HAD, removing: true }, UNREAD), "read", "the recorded version may be gone");
    assert.equal(decided(has, { kind: "deleted", version: 3 }), "put 3");
    assert.equal(decided(has, { kind: "absent" }), "put 0");
    assert.equal(decided(has, data(NEW, 3)), "put 3", "a late removal takes that version");
    assert.equal(decided(has, data(NEW, 4)), "record");
    assert.equal(decided(has, data(EYE, 4)), "put 4");
    assert.equal(decided(has, { kind: "denied" }), "put 3");
  });

  it("with fail, a path that was merged with before keeps the keys of others", () => {
    assert.equal(decided({ ...HAS, merged: true }, data(EYE, 4)), "patch 4");
    assert.equal(decided({ ...HAD, merged: true }, UNREAD), "read", "what others have changed there counts");
    assert.equal(decided({ ...HAS, merged: true }, data(EYE, 4), { conflict: "adopt" }), "put 4");
  });

  it("with merge, keys that are not ours any more are a difference", () => {
    const seen: SeenObject = { kind: "data", version: 3, digest: EYE, ownDigest: NEW, stale: ["old"] };
    assert.equal(decided(HAS, seen, { conflict: "merge", look: true }), "patch 3");
    assert.equal(decided(HAS, { ...seen, stale: [] }, { conflict: "merge", look: true }), "nothing");
  });
});

describe("what is done about binary values", () => {
  const BINARY = { body: new Map([["b", SecretValue.of(Buffer.from([0xff, 0]))]]) };
  const LISTED = { ...HAS, binary: "listed", list: "b" } as const;
  const B = { ...BINARY, list: "b" };
  const seen = (list?: string): SeenObject =>
    ({ ...data(NEW, 3), ...(list === undefined ? {} : { list }) }) as SeenObject;
  const cases: Readonly<Record<string, readonly [actual: string, expected: string]>> = {
    "whether they may be listed is asked before anything else": [decided({}, UNREAD, {}, BINARY), "ask"],
    "once in a run": [decided({}, UNREAD, {}, { ...BINARY, isAsked: true }), "read"],
    "and not again after it was refused": [decided({ ...HAD, binary: "suffixed" }, UNREAD, {}, BINARY), "put 3"],
    "unless the declaration is new": [decided({ ...HAD, binary: "suffixed" }, UNREAD, { isNew: true }, BINARY), "ask"],
    "nor after it was allowed": [decided({ ...HAD, binary: "listed" }, UNREAD, { isNew: true }, BINARY), "put 3"],
    "nor where nothing is binary": [decided(HAD, UNREAD, { isNew: true }), "put 3"],
    "nor of kv-v1, which has no lists": [decided({ engine: "kv-v1" }, UNREAD, {}, { ...BINARY, at: KV_V1 }), "read"],
    "what is in step is not asked about": [decided(HAS, UNREAD, {}, BINARY), "nothing"],
    "the list is as recorded": [decided(LISTED, UNREAD, {}, B), "nothing"],
    "the list was never written": [decided({ ...HAS, binary: "listed" }, UNREAD, {}, B), "list"],
    "a crash came before the list": [decided({ ...LISTED, listing: true }, UNREAD, {}, B), "list"],
    "another value is binary": [decided({ ...LISTED, list: "a" }, UNREAD, {}, B), "list"],
    "none is binary any more": [decided(LISTED, UNREAD), "list"],
    "someone changed the list": [decided(LISTED, seen("x"), { look: true }, B), "list"],
    "someone removed the list": [decided(LISTED, seen(), { look: true }, B), "list"],
    "the list stands there": [decided(LISTED, seen("b"), { look: true }, B), "nothing"],
    "someone else's list stays": [decided(HAS, seen("x"), { look: true }), "nothing"],
    "unreadable: the list is as recorded": [decided(LISTED, { kind: "denied" }, { look: true }, B), "nothing"],
    "unreadable: the list was never written": [decided({ ...LISTED, list: "a" }, { kind: "denied" }, {}, B), "list"],
  };
  for (const [what, [actual, expected]] of Object.entries(cases)) it(what, () => assert.equal(actual, expected));
});
