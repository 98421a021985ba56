import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decide } from "../../../../lib/destinations/kubernetes-secret/decide.ts";
import type { Rival } from "../../../../lib/destinations/kubernetes-secret/owners.ts";
import type { Decision, Seen } from "../../../../lib/destinations/kubernetes-secret/state.ts";
import { digestKey } from "../../../../lib/digest.ts";
import type { ErrorCode } from "../../../../lib/errors.ts";
import { SyncError } from "../../../../lib/errors.ts";
import { desiredLabels, OWNER_LABELS } from "../../../../lib/owner-labels.ts";
import type { Row, RowState } from "../../../../lib/ports/rows.ts";
import type { SeenSecret } from "../../../../lib/ports/secrets.ts";
import { aDeclared, aRow } from "../../../builders.ts";

const KEY = digestKey(Buffer.alloc(32, 1));
const OTHER_KEY = digestKey(Buffer.alloc(32, 2));
const NEW = `${KEY.id}:new`;
const OLD = `${KEY.id}:old`;

const declared = aDeclared();
const OWNER = {
  apiVersion: "secrets.hashicorp.com/v1beta1",
  kind: "VaultStaticSecret",
  name: "db",
  uid: declared.uid,
};
const LABELS = desiredLabels({ team: "shop" }, declared.uid);
const OWNED = { name: "db", uid: "u1", resourceVersion: "7", managed: "m", type: "Opaque" };

/** A row whose Secret is written and in step. */
function rowInStep(state: Partial<RowState> = {}, row: Partial<Row> = {}): Row {
  const inStep = { owned: [OWNED], digest: NEW, appliedHash: declared.hash, ...state };
  return aRow({ ...row, state: { ...aRow().state, ...inStep } });
}

function aSecret(overrides: Partial<SeenSecret> = {}): SeenSecret {
  return {
    uid: "u1",
    resourceVersion: "7",
    type: "Opaque",
    immutable: false,
    deleting: false,
    labels: LABELS,
    annotations: {},
    ownerReferences: [OWNER],
    data: new Map(),
    managed: { fingerprint: "m", ours: true, vso: false },
    ...overrides,
  };
}

function aSeen(overrides: Partial<Seen> = {}, destination: Partial<Seen["destination"]> = {}): Seen {
  return {
    row: rowInStep(),
    destination: {
      name: "db",
      create: true,
      overwrite: false,
      type: "Opaque",
      labels: LABELS,
      annotations: {},
      ownerReference: OWNER,
      ...destination,
    },
    observe: "watch",
    digest: NEW,
    key: KEY,
    secret: "unread",
    applied: false,
    ...overrides,
  };
}

const does = (seen: Seen): Decision["do"] | "nothing" => decide(seen)?.do ?? "nothing";

function refuses(seen: Seen, code: ErrorCode): void {
  assert.throws(
    () => decide(seen),
    (error) => error instanceof SyncError && error.code === code,
  );
}

describe("decide: when do we write?", () => {
  it("does nothing when data and declaration are as recorded", () => {
    assert.equal(does(aSeen()), "nothing");
  });

  it("kubernetes-rules 1: creates what was never written, and only creates", () => {
    assert.deepEqual(decide(aSeen({ row: rowInStep({ owned: [] }) })), { do: "create" });
  });

  it("lease-table 6: applies a change at the recorded uid and resourceVersion", () => {
    const decision = decide(aSeen({ row: rowInStep({ digest: OLD }) }));
    assert.deepEqual(decision, { do: "apply", uid: "u1", resourceVersion: "7", because: "Vault's data changed" });
  });

  it("applies a changed declaration although the data is equal", () => {
    assert.equal(does(aSeen({ row: rowInStep({ appliedHash: "another" }) })), "apply");
  });

  it("kubernetes-rules 3: looks at what was adopted from VSO before the first apply, and takes its fields over then", () => {
    const vsos = { ...OWNED, ofVso: true };
    const of = (state: Partial<RowState>): Row => rowInStep({ owned: [vsos], ...state });
    assert.equal(does(aSeen({ row: of({}) })), "nothing");
    assert.equal(does(aSeen({ row: of({ digest: OLD }) })), "observe");
    assert.equal(does(aSeen({ row: of({ appliedHash: "before" }) })), "observe");
    assert.equal(does(aSeen({ row: of({}), observe: "apply" })), "observe");
    const secret = aSecret({ managed: { fingerprint: "m", ours: false, vso: true } });
    const looked = (state: Partial<RowState>) => does(aSeen({ row: of(state), secret, secretDigest: NEW }));
    assert.equal(looked({ appliedHash: "before" }), "take-over");
    assert.equal(looked({}), "nothing");
  });

  it("lease-table 7: asserts the same again with observe: apply", () => {
    assert.deepEqual(decide(aSeen({ observe: "apply" })), { do: "reassert", uid: "u1", resourceVersion: "7" });
    assert.equal(does(aSeen({ observe: "apply", applied: true })), "nothing");
  });

  describe("looks first", () => {
    const cases: readonly (readonly [string, Seen])[] = [
      ["when someone saw a difference", aSeen({ row: rowInStep({}, { verify: true }) })],
      ["when a write's end is not known", aSeen({ row: rowInStep({ owned: [{ name: "db" }] }) })],
      ["when the Secret is not ours to create", aSeen({ row: rowInStep({ owned: [] }) }, { create: false })],
      [
        "lease-table 25: when the digest was made with another key",
        aSeen({ row: rowInStep({ digest: `${OTHER_KEY.id}:x` }) }),
      ],
      [
        "when it was refused the Secret before: what was recorded then may be another's",
        aSeen({ row: rowInStep({ error: { code: "SECRET_NOT_OURS", message: "", since: 0 } }) }),
      ],
      ["when the type changed", aSeen({}, { type: "kubernetes.io/tls" })],
    ];
    for (const [when, seen] of cases) it(when, () => assert.equal(does(seen), "observe"));
    it("but never twice for the same reason", () => {
      const seen = aSeen({ row: rowInStep({}, { verify: true }), secret: aSecret(), secretDigest: NEW });
      assert.equal(does(seen), "nothing");
    });
  });

  describe("judges what it looked at", () => {
    const looked = (secret: Partial<SeenSecret>, more: Partial<Seen> = {}, destination = {}): Seen =>
      aSeen({ secret: aSecret(secret), secretDigest: NEW, ...more }, destination);

    it("makes a missing Secret anew", () => assert.equal(does(aSeen({ secret: "absent" })), "create"));
    it("mends data", () => {
      const decision = decide(looked({ resourceVersion: "9" }, { secretDigest: OLD }));
      assert.deepEqual(decision, { do: "apply", uid: "u1", resourceVersion: "9", because: "its data differs" });
    });
    it("mends a label of ours, and leaves foreign ones", () => {
      const { team: _team, ...without } = LABELS;
      assert.equal(does(looked({ labels: without })), "apply");
      assert.equal(does(looked({ labels: { ...LABELS, foreign: "yes" } })), "nothing");
    });
    it("lease-table 22: mends the owner's labels of a Secret that it wrote itself", () => {
      assert.equal(does(looked({ labels: {} })), "apply");
    });
    it("mends a missing annotation", () => {
      assert.equal(does(looked({}, {}, { annotations: { note: "x" } })), "apply");
    });
    it("records a Secret that is in step under another resourceVersion, and writes nothing", () => {
      assert.equal(does(looked({ resourceVersion: "9" })), "adopt");
    });
    it("kubernetes-rules 3: adopts what VSO wrote when it is equal, takes it over when it is not", () => {
      const managed = { fingerprint: "v", ours: false, vso: true };
      const row = rowInStep({ owned: [] });
      assert.equal(does(looked({ managed }, { row })), "adopt");
      assert.equal(does(looked({ managed }, { row, secretDigest: OLD })), "take-over");
    });
    it("recreates for another type", () => assert.equal(does(looked({ type: "kubernetes.io/tls" })), "recreate"));
    it("kubernetes-rules 7: waits for what is being deleted", () => {
      refuses(looked({ deleting: true }), "SECRET_TERMINATING");
    });
    it("says that an immutable Secret can't change, and is content when it need not", () => {
      refuses(looked({ immutable: true }, { secretDigest: OLD }), "SECRET_IMMUTABLE");
      assert.equal(does(looked({ immutable: true })), "nothing");
    });
  });

  describe("refuses what is not ours", () => {
    const foreign = (secret: Partial<SeenSecret>, destination = {}): Seen =>
      aSeen({ row: rowInStep({ owned: [] }), secret: aSecret(secret), secretDigest: OLD }, destination);
    it("without the owner's labels", () => refuses(foreign({ labels: {} }), "SECRET_NOT_OURS"));
    const others = { ...OWNER, name: "other", uid: "another" };
    const theirs = { labels: desiredLabels({ team: "shop" }, "another") };
    const tool = { apiVersion: "apps/v1", kind: "Deployment", name: "app", uid: "tool" };
    const beside: Rival = { kind: "VaultStaticSecret", name: "other", by: "reference", wrote: true };
    const marked: Rival = { ...beside, by: "mark" };
    const says = (seen: Seen): string => {
      try {
        decide(seen);
      } catch (error) {
        if (error instanceof SyncError) return error.message;
      }
      throw new Error("it is not refused");
    };

    it("with an owner of another kind, beside our reference or instead of it, a controller or not", () => {
      for (const more of [{}, { controller: true }]) {
        refuses(foreign({ ownerReferences: [OWNER, { ...tool, ...more }] }), "SECRET_NOT_OURS");
        refuses(foreign({ ownerReferences: [{ ...tool, ...more }] }), "SECRET_NOT_OURS");
        refuses(
          foreign({ labels: {}, ownerReferences: [{ ...tool, ...more }] }, { overwrite: true }),
          "SECRET_NOT_OURS",
        );
      }
    });
    it("and takes it back where our labels stand and nobody else who is there owns it", () => {
      assert.equal(does(foreign({ ownerReferences: [] })), "apply");
      assert.equal(does(foreign({ ownerReferences: [] }, { overwrite: true })), "apply");
      // A name is one object's at a time: the one of another uid was there before us.
      assert.equal(does(foreign({ ownerReferences: [{ ...OWNER, uid: "former" }] })), "apply");
      assert.equal(does(foreign({ ownerReferences: [OWNER, { ...OWNER, uid: "former" }] })), "apply");
      // Of another name, and not declared any more: the collector takes it off.
      assert.equal(does(foreign({ ownerReferences: [others] })), "apply");
    });
    it("kubernetes-rules 6: and makes our own reference plain that was made a controller's", () => {
      assert.equal(does(foreign({ ownerReferences: [{ ...OWNER, controller: true }] })), "apply");
      assert.equal(does(foreign({ ownerReferences: [{ ...OWNER, blockOwnerDeletion: true }] })), "apply");
    });
    it("needs all three of the owner's labels, as they are", () => {
      const names = Object.keys(OWNER_LABELS);
      assert.equal(names.length, 3);
      for (const name of names) {
        const { [name]: _missing, ...labels } = LABELS;
        refuses(foreign({ labels, ownerReferences: [] }), "SECRET_NOT_OURS");
        refuses(foreign({ labels: { ...LABELS, [name]: "other" }, ownerReferences: [] }), "SECRET_NOT_OURS");
      }
      assert.equal(does(foreign({ ownerReferences: [] })), "apply");
    });
    it("overwrite: takes one without owner labels and without owners", () => {
      assert.equal(does(foreign({ labels: {}, ownerReferences: [] }, { overwrite: true })), "apply");
    });
    it("advises overwrite where it helps, and nowhere else", () => {
      assert.match(says(foreign({ labels: {}, ownerReferences: [] })), /overwrite: true/);
      for (const ownerReferences of [[tool], [OWNER, tool]]) {
        assert.doesNotMatch(says(foreign({ labels: {}, ownerReferences })), /set destination.overwrite/);
      }
      const rivals = [beside];
      const theirs = { ...foreign({ labels: {}, ownerReferences: [OWNER, others] }), rivals };
      assert.doesNotMatch(says(theirs), /overwrite/);
      assert.match(says(theirs), /VaultStaticSecret other still exists/);
    });
    it("repeats no owner's name that is none", () => {
      const control = String.fromCharCode(27);
      const odd = { ...tool, name: `${control}[2J` };
      assert.ok(!says(foreign({ ownerReferences: [odd] })).includes(control));
    });

    it("kubernetes-rules 6: stands beside another declaration, and waits there", () => {
      const secret = aSecret({ ownerReferences: [others] });
      for (const overwrite of [false, true]) {
        const seen = { ...foreign({ ownerReferences: [others] }, { overwrite }), rivals: [beside] };
        assert.deepEqual(decide(seen), { do: "stand-beside", seen: secret });
        refuses(
          { ...foreign({ ...theirs, ownerReferences: [others, OWNER] }, { overwrite }), rivals: [beside] },
          "SECRET_NOT_OURS",
        );
      }
    });
    it("kubernetes-rules 6: one may stand there, and none where the other's own reference is off for a moment", () => {
      const more = { ...others, name: "third", uid: "third" };
      const two = [beside, { ...beside, name: "third" }];
      refuses({ ...foreign({ ownerReferences: [others, more] }), rivals: two }, "SECRET_NOT_OURS");
      refuses({ ...foreign({ ownerReferences: [] }), rivals: [marked] }, "SECRET_NOT_OURS");
      refuses({ ...foreign({ ...theirs, ownerReferences: [OWNER] }), rivals: [marked] }, "SECRET_NOT_OURS");
      refuses(
        { ...foreign({ labels: {}, ownerReferences: [] }, { overwrite: true }), rivals: [marked] },
        "SECRET_NOT_OURS",
      );
    });
  });

  describe("kubernetes-rules 6: a Secret that it is known to have written", () => {
    const written = (secret: Partial<SeenSecret>, more: Partial<Seen> = {}): Seen =>
      aSeen({ secret: aSecret(secret), secretDigest: NEW, ...more });
    const tool = { apiVersion: "apps/v1", kind: "Deployment", name: "app", uid: "tool" };
    const others = { ...OWNER, name: "other", uid: "another" };

    it("has its owner reference put back, beside whatever does not control it", () => {
      for (const ownerReferences of [[], [tool], [others]]) {
        const decision = decide(written({ ownerReferences, resourceVersion: "9" }));
        const because = "its owner reference differs";
        assert.deepEqual(decision, { do: "apply", uid: "u1", resourceVersion: "9", because });
      }
    });
    it("is let go for a controller, and for a second owner that came beside its reference", () => {
      refuses(written({ ownerReferences: [{ ...tool, controller: true }] }), "SECRET_NOT_OURS");
      refuses(written({ ownerReferences: [OWNER, { ...tool, controller: true }] }), "SECRET_NOT_OURS");
      refuses(written({ ownerReferences: [OWNER, tool] }), "SECRET_NOT_OURS");
    });
    it("is written on while another declaration stands beside", () => {
      const rivals: readonly Rival[] = [{ kind: "VaultStaticSecret", name: "other", by: "reference", wrote: false }];
      const ownerReferences = [OWNER, others];
      assert.equal(does(written({ ownerReferences }, { rivals })), "nothing");
      assert.equal(does(written({ ownerReferences }, { rivals, secretDigest: OLD })), "apply");
      assert.equal(does(written({ ownerReferences: [others] }, { rivals })), "apply");
    });
    it("is another's once that one has put its label there and ours has gone", () => {
      const rival: Rival = { kind: "VaultStaticSecret", name: "other", by: "mark", wrote: true };
      refuses(written({ ownerReferences: [] }, { rivals: [rival] }), "SECRET_NOT_OURS");
      const standing = written({ ownerReferences: [others] }, { rivals: [{ ...rival, by: "reference" }] });
      // Its record goes first; then it may stand beside.
      refuses(standing, "SECRET_NOT_OURS");
      assert.equal(does({ ...standing, row: rowInStep({ owned: [{ name: "db" }] }) }), "stand-beside");
    });
  });

  describe("create: false", () => {
    const others = (more: Partial<Seen>): Seen => aSeen({ row: rowInStep({ owned: [] }), ...more }, { create: false });
    it("needs a Secret", () => refuses(others({ secret: "absent" }), "SECRET_MISSING"));
    it("kubernetes-rules 5: replaces data that differs, whoever owns it", () => {
      const secret = aSecret({ labels: {}, ownerReferences: [] });
      assert.deepEqual(decide(others({ secret, secretDigest: OLD })), {
        do: "replace",
        uid: "u1",
        because: "its data differs",
      });
      assert.equal(does(others({ secret, secretDigest: NEW })), "nothing");
    });
    it("is done after the write", () => assert.equal(does(others({ applied: true })), "nothing"));
  });

  it("removes what it wrote under another name, after the new one is written", () => {
    const row = rowInStep({ owned: [OWNED, { ...OWNED, name: "old" }] });
    assert.deepEqual(decide(aSeen({ row })), { do: "prune", names: ["old"] });
    assert.equal(does(aSeen({ row: rowInStep({ owned: [{ ...OWNED, name: "old" }] }) })), "create");
  });
});
