import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { heldBefore } from "../../../lib/destinations/kubernetes-secret/held-before.ts";
import type { Seen } from "../../../lib/destinations/kubernetes-secret/state.ts";
import { digestKey } from "../../../lib/digest.ts";
import type { RowState } from "../../../lib/ports/rows.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import type { SeenSecret } from "../../../lib/ports/secrets.ts";
import { GATHER_MS, owedRollout, type RolloutQuestion, rolledOut } from "../../../lib/rollout/owed-rollout.ts";
import { aDeclared, aRow } from "../../builders.ts";

const KEY = digestKey(Buffer.alloc(32, 1));
const FORMER = digestKey(Buffer.alloc(32, 2));
const OLD = `${KEY.id}:old`;
const NEW = `${KEY.id}:new`;
const NEWER = `${KEY.id}:newer`;
const NOW = Date.parse("2026-01-01T00:00:00Z");
const MINUTE = 60_000;
const TARGETS = [{ kind: "Deployment", name: "app" }] as const;

const state = (more: Partial<RowState>): RowState => ({ ...EMPTY_STATE, ...more });
const owed = (before: Partial<RowState>, more: Partial<RolloutQuestion> = {}) =>
  owedRollout({
    state: state(before),
    digest: NEW,
    key: KEY,
    targets: TARGETS,
    isAskedFor: false,
    now: NOW,
    ...more,
  });
const pending = (more = {}) => ({ digest: NEW, since: NOW - 4_000, at: NOW + 6_000, attempts: 0, ...more });

describe("rollout: when do we restart?", () => {
  it("kubernetes-rules 20: owes a restart when the digest is not the one that was rolled out, and tries it seconds later", () => {
    const first = { digest: NEW, since: NOW, at: NOW + GATHER_MS, attempts: 0 };
    assert.deepEqual(owed({ digest: OLD, rolledDigest: OLD }), first);
    assert.deepEqual(owed({ digest: NEW, rolledDigest: OLD }), first, "a crash after the settle of an older version");
    assert.equal(owed({ digest: NEW, rolledDigest: NEW }), undefined);
  });

  it("kubernetes-rules 20, 21: owes nothing for a first sync, an adoption, or a row of a version that knew no rollouts", () => {
    assert.equal(owed({}), undefined);
    assert.equal(owed({ digest: NEW }), undefined);
    assert.ok(owed({ digest: OLD }), "but does when its data changes");
  });

  it("owes nothing without targets, also when a restart was owed before", () => {
    assert.equal(owed({ digest: OLD, rolledDigest: OLD, rollout: pending() }, { targets: [] }), undefined);
  });

  it("goes on owing what it owed, at its own time", () => {
    assert.deepEqual(owed({ digest: NEW, rolledDigest: OLD, rollout: pending() }), pending());
    const failing = pending({ attempts: 3, at: NOW + 20 * MINUTE });
    assert.deepEqual(owed({ digest: NEW, rolledDigest: OLD, rollout: failing }), failing);
  });

  it("covers newer data as well, with the restart that is coming: data that keeps changing does not put it off", () => {
    const next = owed({ digest: NEW, rolledDigest: OLD, rollout: pending() }, { digest: NEWER });
    assert.deepEqual(next, { digest: NEWER, since: NOW, at: NOW + 6_000, attempts: 0 });
    const late = owed({ digest: NEW, rolledDigest: OLD, rollout: pending({ at: NOW + 1 }) }, { digest: NEWER });
    assert.equal(late?.at, NOW + 2_000, "clearly after the write, in whole seconds");
  });

  it("is due although its own run finds newer data, whose restart goes on where the last try ended", () => {
    for (const attempts of [0, 3]) {
      const before = { digest: NEW, rolledDigest: OLD, rollout: pending({ at: NOW - 1, attempts }) };
      assert.deepEqual(owed(before, { digest: NEWER }), { digest: NEWER, since: NOW, at: NOW - 1, attempts });
    }
  });

  it("tries anew for newer data, and for a new declaration, when it failed", () => {
    const failing = pending({ attempts: 3, at: NOW + 20 * MINUTE });
    const before = { digest: NEW, rolledDigest: OLD, rollout: failing };
    assert.deepEqual(owed(before, { digest: NEWER }), {
      digest: NEWER,
      since: NOW,
      at: NOW + GATHER_MS,
      attempts: 0,
    });
    assert.deepEqual(owed(before, { isAskedFor: true }), { ...failing, at: NOW, attempts: 0 });
    const coming = { ...before, rollout: pending() };
    assert.deepEqual(owed(coming, { isAskedFor: true }), pending(), "what is coming keeps its time");
  });

  it("stays owed when the data goes back to what it was: a part may have been restarted in between", () => {
    const back = owed({ digest: NEW, rolledDigest: OLD, rollout: pending() }, { digest: OLD });
    assert.equal(back?.digest, OLD);
  });

  it("lease-table 25: another digest key owes nothing by itself, and forgets nothing that was owed", () => {
    const former = (name: string) => `${FORMER.id}:${name}`;
    assert.equal(owed({ digest: former("a"), rolledDigest: former("a") }), undefined);
    assert.equal(rolledOut(state({ digest: former("a"), rolledDigest: former("a") }), KEY), undefined);
    assert.ok(owed({ digest: former("b"), rolledDigest: former("a") }));
    assert.ok(owed({ digest: former("b"), rolledDigest: former("a"), rollout: pending({ digest: former("b") }) }));
  });
});

describe("rollout: what is recorded before a Secret is overwritten", () => {
  const declared = aDeclared();
  const OWNER = {
    apiVersion: "secrets.hashicorp.com/v1beta1",
    kind: "VaultStaticSecret",
    name: "db",
    uid: declared.uid,
  };

  function found(
    secret: Partial<SeenSecret>,
    { before = {}, create = true, status = {} }: { before?: Partial<RowState>; create?: boolean; status?: object } = {},
  ): Seen {
    const seenSecret: SeenSecret = {
      uid: "u1",
      resourceVersion: "7",
      type: "Opaque",
      immutable: false,
      deleting: false,
      labels: {},
      annotations: {},
      ownerReferences: [],
      data: new Map(),
      managed: { fingerprint: "m", ours: false, vso: true },
      ...secret,
    };
    return {
      row: aRow({
        declared: { ...declared, seen: { resourceVersion: "1", status: { ...status } } },
        state: state(before),
      }),
      destination: {
        name: "db",
        create,
        overwrite: true,
        type: "Opaque",
        labels: {},
        annotations: {},
        ownerReference: OWNER,
      },
      observe: "watch",
      digest: NEW,
      key: KEY,
      secret: seenSecret,
      secretDigest: OLD,
      applied: false,
    };
  }

  const recordedFirst = (seen: Seen) => heldBefore(seen, seen.row.state);

  it("kubernetes-rules 20: the content of a Secret of VSO's that Vault has left behind", () => {
    assert.equal(recordedFirst(found({ ownerReferences: [OWNER] })), OLD);
    assert.equal(recordedFirst({ ...found({ ownerReferences: [OWNER] }), secretDigest: NEW }), undefined);
    const former = { digest: `${FORMER.id}:a`, rolledDigest: `${FORMER.id}:a` };
    assert.equal(recordedFirst(found({ ownerReferences: [OWNER] }, { before: former })), OLD, "after a key change");
  });

  it("nothing where it is known, or never was this sync's", () => {
    const known = { before: { digest: OLD, rolledDigest: OLD } };
    assert.equal(recordedFirst(found({ ownerReferences: [OWNER] }, known)), undefined);
    assert.equal(recordedFirst(found({})), undefined, "overwrite of a stranger's Secret");
    assert.equal(recordedFirst({ ...found({}), secret: "absent" }), undefined);
  });

  it("create: false: if we wrote it before, or the status shows a MAC of it", () => {
    const managed = { fingerprint: "m", ours: true, vso: false };
    assert.equal(recordedFirst(found({}, { create: false })), undefined);
    assert.equal(recordedFirst(found({ managed }, { create: false })), OLD);
    assert.equal(recordedFirst(found({}, { create: false, status: { secretMAC: "bWFj" } })), OLD);
  });
});
