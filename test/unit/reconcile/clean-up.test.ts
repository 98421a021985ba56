import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ErrorCode, SyncError } from "../../../lib/errors.ts";
import { cleanupKey, type SyncKey, syncKey } from "../../../lib/keys.ts";
import type { RowState } from "../../../lib/ports/rows.ts";
import type { Json } from "../../../lib/util/json.ts";
import { aDeclared, aKey, anIssue, aPushed } from "../../builders.ts";
import { anIssuingVault, WAY } from "../issues/an-issuing-vault.ts";
import { aSync, CIRCUIT, START } from "./a-sync.ts";

const MINUTE_MS = 60_000;
const UID = aDeclared().uid;
const CLEANUP = cleanupKey(aKey(), UID);
const OWNED = [{ name: "db", uid: "s" }];
const fail =
  (code: ErrorCode, more: object = {}) =>
  () => {
    throw new SyncError(code, "why", more);
  };
const sentKeys = (one: Awaited<ReturnType<typeof aSync>>): SyncKey[] =>
  one.seen.sent.flatMap((message) => (message.kind === "keys" ? message.keys : []));
const { issues, seals } = anIssuingVault().deps;

/** What is left of a declaration that is gone: its row is a clean-up. */
async function left(state: Partial<RowState>, given: Parameters<typeof aSync>[0] = {}) {
  const cleared: number[] = [];
  const one = await aSync({
    resource: undefined,
    clears: () => cleared.push(1),
    ...given,
    deps: { issues, seals, ...given?.deps },
  });
  const target = await one.store.putTarget(WAY as unknown as Json, one.key);
  const had = state.issues?.map((issue) => ({ ...issue, target }));
  await one.settled({ ...state, ...(had && { issues: had }) });
  await one.store.tombstone(one.key, UID, START);
  return { ...one, cleared, clean: () => one.run({ of: CLEANUP }) };
}

describe("the clean-up of a declaration that is gone", () => {
  it("removes its Secret, and then the row", async () => {
    await using one = await left({ owned: OWNED });
    await one.clean();
    assert.deepEqual([one.cleared.length, await one.exists(CLEANUP)], [1, false]);
    assert.deepEqual(
      one.seen.log.filter((line) => line.startsWith("declaration-cleaned-up")),
      [`declaration-cleaned-up ${JSON.stringify({ key: CLEANUP, secrets: ["db"] })}`],
    );
    assert.ok(one.seen.sent.some((message) => message.kind === "token-sweep" && message.cluster === "east"));
  });

  it("asks nothing of the cluster where the row owns nothing", async () => {
    const asked: unknown[] = [];
    const get = async (ref: unknown) => void asked.push(ref);
    await using one = await left({ blanks: "db" }, { deps: { resources: { get } } });
    await one.clean();
    assert.equal(asked.length, 1, "a Secret that is to be emptied is something");
    await using held = await aSync({ resource: undefined, deps: { resources: { get } } });
    await held.settled();
    assert.ok(await held.store.claim(await held.row(), { now: START, until: START + 9_000 }));
    await held.store.tombstone(held.key, UID, START);
    held.pass(9_000);
    await held.run({ of: CLEANUP });
    assert.deepEqual([asked.length, await held.exists(CLEANUP)], [1, false]);
  });

  it("is done at once where the row has the status of a reference alone", async () => {
    const key = syncKey({ cluster: "east", kind: "VaultAuth", namespace: "shop", name: "default" });
    await using one = await aSync({ declared: { key }, resource: undefined, deps: { kinds: { of: () => undefined } } });
    await one.settled();
    assert.ok(await one.store.claim(await one.row(), { now: START, until: START + 9_000 }));
    const { uid } = one.declared;
    await one.store.tombstone(key, uid, START);
    one.pass(9_000);
    const left = cleanupKey(key, uid);
    assert.equal(await one.exists(left), true);
    await one.run({ of: left });
    assert.equal(await one.exists(left), false);
  });

  it("wakes a new declaration of the same name, and those that wait for the Secret", async () => {
    await using one = await left({ owned: OWNED });
    await one.store.declare(aDeclared({ uid: "next" }), START);
    await one.settled();
    const other = aKey("other");
    await one.store.declare(aDeclared({ key: other }), START);
    const row = await one.row(other);
    const { lease } = (await one.store.claim(row, { now: START, until: START + 1 })) ?? assert.fail();
    const awaits = ["destination:east/shop/db"] as const;
    await one.store.settle(lease, { state: { ...row.state, awaits }, schedule: { kind: "parked" }, now: START });
    await one.clean();
    assert.deepEqual(sentKeys(one).sort(), [one.key, other].sort());
  });

  it("wakes nobody while it fails", async () => {
    await using one = await left({ owned: OWNED }, { clears: fail("KUBE_DENIED") });
    await one.store.declare(aDeclared({ uid: "next" }), START);
    await one.settled();
    await one.clean();
    const { state, dueAt } = await one.row(CLEANUP);
    assert.deepEqual([state.error?.code, state.owned, (dueAt ?? 0) > START], ["KUBE_DENIED", OWNED, true]);
    assert.deepEqual(
      sentKeys(one).filter((key) => key === one.key),
      [],
    );
    assert.match(one.seen.log.find((line) => line.startsWith("clean-up-failed")) ?? "", /KUBE_DENIED/);
  });

  it("leaves the row to another worker after a lost lease, and a bug to be one", async () => {
    await using one = await left({ owned: OWNED }, { clears: fail("LEASE_LOST") });
    const settled = one.seen.settled.length;
    await one.clean();
    assert.deepEqual([one.seen.settled.length, (await one.row(CLEANUP)).leaseUntil !== undefined], [settled, true]);
    const bug = () => {
      throw new TypeError("a bug");
    };
    await using broken = await left({ owned: OWNED }, { clears: bug });
    await assert.rejects(broken.clean(), TypeError);
  });

  it("waits while its cluster may belong to a hub that was not read yet", async () => {
    let isFleetIncomplete = true;
    const pushed = [aPushed("db", { digest: "d" })];
    await using one = await left({ owned: OWNED, pushed }, { deps: { isFleetIncomplete: () => isFleetIncomplete } });
    const settings = one.deps.fleet("east");
    one.change({ settings: undefined });
    await one.clean();
    const { state, dueAt } = await one.row(CLEANUP);
    assert.deepEqual([one.cleared, state.owned, state.pushed, (dueAt ?? 0) <= START], [[], OWNED, pushed, true]);
    one.change({ settings });
    await one.clean();
    assert.deepEqual([one.cleared, await one.exists(CLEANUP)], [[1], false]);
    await using other = await left({ owned: OWNED }, { deps: { isFleetIncomplete: () => isFleetIncomplete } });
    isFleetIncomplete = false;
    other.change({ settings: undefined });
    await other.clean();
    assert.deepEqual([other.cleared, await other.exists(CLEANUP)], [[], false], "no cluster has this name");
  });

  it("is done when the namespace goes, which removes all that is in it", async () => {
    for (const code of ["NAMESPACE_MISSING", "NAMESPACE_TERMINATING"] as const) {
      await using one = await left({ owned: OWNED }, { clears: fail(code) });
      await one.clean();
      assert.equal(await one.exists(CLEANUP), false, code);
    }
  });

  it("lease-table 31: is not done when the namespace goes, if it pushed to Vault", async () => {
    await using one = await left(
      { owned: OWNED, pushed: [aPushed("db", { digest: "d" })] },
      { clears: fail("NAMESPACE_MISSING") },
    );
    await one.clean();
    const { state } = await one.row(CLEANUP);
    assert.equal(state.error?.code, "REFERENCE_MISSING");
    assert.match(state.error?.message ?? "", /^why: what was pushed to Vault stays there/);
  });

  it("lease-table 18: removes nothing of a declaration that is still there, whose credentials end by themselves", async () => {
    const cleared: number[] = [];
    const vault = anIssuingVault();
    const issue = anIssue({ serial: "one", sealedToken: `${aKey()} one hvs.own` });
    await using one = await left(
      { owned: OWNED, issues: [issue] },
      { resource: {}, clears: () => cleared.push(1), deps: { issues: vault.deps.issues } },
    );
    await one.clean();
    assert.deepEqual(vault.asked, [], "nothing is revoked");
    const { state, dueAt } = await one.row(CLEANUP);
    assert.deepEqual([cleared, state.owned, state.issues?.map((issue) => issue.state)], [[], [], ["ending"]]);
    assert.ok((dueAt ?? 0) > START);
  });

  it("lease-table 31: waits to see whether a declaration that came back pushes to the same path", async () => {
    await using one = await left({ owned: OWNED, pushed: [aPushed("db", { digest: "d" })] }, { resource: {} });
    await one.clean();
    const { state, dueAt } = await one.row(CLEANUP);
    assert.deepEqual([state.pushed?.length, dueAt, one.cleared], [1, START + 5 * MINUTE_MS, []]);
  });

  it("lease-table 8: waits for the end of the lease of the declaration's last worker, with all that the row owns", async () => {
    await using one = await aSync({ resource: undefined });
    await one.settled({ owned: OWNED, blanks: "db" });
    const row = await one.row();
    assert.notEqual(await one.store.claim(row, { now: START, until: START + 9_000 }), undefined);
    await one.store.tombstone(one.key, UID, START);
    await one.run({ of: CLEANUP });
    const busy = await one.row(CLEANUP);
    assert.deepEqual([busy.dueAt, busy.state.owned, busy.state.blanks], [START + 9_000, OWNED, "db"]);
    one.pass(9_000);
    await one.run({ of: CLEANUP });
    assert.equal(await one.exists(CLEANUP), false);
  });

  it("lease-table 28: stays until what it has in Vault has ended", async () => {
    const vault = anIssuingVault({ revokeToken: () => "denied", revokeLease: () => "denied" });
    const deps = { issues: vault.deps.issues };
    const sealedToken = `${aKey()} one hvs.own`;
    const issue = anIssue({ serial: "one", sealedToken });
    await using one = await left({ issues: [issue], waitsFor: CIRCUIT }, { deps });
    await one.clean();
    assert.deepEqual(
      vault.asked.map((one) => one.split(" ")[0]),
      ["revokeToken", "revokeLease"],
    );
    const { state, dueAt } = await one.row(CLEANUP);
    assert.deepEqual(
      state.issues?.map((kept) => kept.state),
      ["ending"],
    );
    assert.ok((dueAt ?? 0) > START);
  });
});

describe("the clean-up of a declaration that waits for it", () => {
  const deleting = async (state: Partial<RowState>, given: Parameters<typeof aSync>[0] = {}) => {
    const cleared: number[] = [];
    const one = await aSync({
      ...{ declared: { deleting: true }, resource: { deleting: true, finalizers: [] }, clears: () => cleared.push(1) },
      ...given,
      deps: { issues, seals },
    });
    await one.settled(state, { kind: "due", at: START });
    return { ...one, cleared };
  };

  it("lets it go, and parks the row until it has gone", async () => {
    await using one = await deleting({ owned: OWNED, blanks: "db" });
    await one.run();
    const { state, dueAt, wheel } = await one.row();
    assert.deepEqual(
      [one.cleared.length, one.seen.released, state.owned, state.blanks, dueAt, wheel],
      [1, 1, [], undefined, undefined, undefined],
    );
  });

  it("leaves the Secret of one that is deleted with --cascade=orphan", async () => {
    await using one = await deleting({ owned: OWNED }, { resource: { deleting: true, finalizers: ["orphan"] } });
    await one.run();
    assert.deepEqual([one.cleared, one.seen.released], [[], 1]);
  });

  it("ends what it had in Vault when it was handed over once, before it came back", async () => {
    const handed = async (retainMs: number) => {
      const one = await deleting({ owned: OWNED });
      await one.settled({ owned: OWNED, issues: [anIssue()] }, { kind: "due", at: START });
      await one.store.retire(one.key, START + retainMs, START);
      await one.store.declare({ ...one.declared }, START);
      await one.settled({ owned: OWNED }, { kind: "due", at: START });
      return one;
    };
    await using one = await handed(MINUTE_MS);
    assert.deepEqual(
      (await one.row(CLEANUP)).state.issues?.map(({ state }) => state),
      ["live"],
    );
    await one.run();
    const row = await one.row(CLEANUP);
    assert.deepEqual([row.state.issues?.map(({ state }) => state), row.state.retainUntil], [["ending"], undefined]);
    await using over = await handed(-1);
    const before = await over.row(CLEANUP);
    await over.run();
    assert.deepEqual(await over.row(CLEANUP), before, "its own run ends it");
  });
});
