import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ErrorCode, SyncError } from "../../../../lib/errors.ts";
import { type IssuedState, issuedState } from "../../../../lib/kinds/issued/issued-state.ts";
import { requestOf } from "../../../../lib/kinds/issued/request-of.ts";
import { aLease, START } from "../../issues/an-issue.ts";
import { ISSUED } from "../../issues/an-issuing-vault.ts";
import { aResolved, aRun, type Scene } from "./a-credential.ts";
import { asked, DIGEST, inUse, leaseless, live, obtained, WAS } from "./obtained.ts";

const POST = { method: "POST", mount: "pki", path: "issue/web" } as const;
const HOUR = 3_600_000;
const failing = (code: ErrorCode = "TRANSFORM_FAILED") => ({
  make: async () => {
    throw new SyncError(code, "template x: no");
  },
});

/** What the row knows after a run that fails. */
async function failed(scene: Scene, code: ErrorCode = "TRANSFORM_FAILED") {
  const one = aRun({ kind: failing(code), ...scene });
  await assert.rejects(one.obtain(), { code });
  return { own: issuedState(one.claim.row.state), asked: asked(one) };
}

/** As after this many failures, the last one so long ago, whose next ask is by plan. */
async function after(times: number, agoMs: number): Promise<IssuedState> {
  const { own } = await failed(inUse({ own: { ...WAS, replaceAt: START } }));
  const untransformed = own.untransformed ?? assert.fail();
  return { ...own, replaceAt: START, untransformed: { ...untransformed, times, last: START - agoMs } };
}

describe("an answer that can't be transformed", () => {
  it("is counted also when the credential's time was over, with a lease or without", async () => {
    const over: IssuedState = { ...WAS, replaceAt: START };
    const shared = { answers: { ask: leaseless }, own: { ...over, isLeaseless: true }, resolved: { request: POST } };
    for (const scene of [{}, shared]) {
      const one = await failed({ ...inUse({ own: over }), ...scene });
      assert.deepEqual([one.own.untransformed?.times, one.own.untransformed?.last], [1, START]);
      assert.equal(one.own.issuedAt, WAS.issuedAt, "the one in use is still known");
      assert.equal((await failed({ ...inUse(), ...scene, own: one.own })).own.untransformed?.times, 2);
    }
    for (const code of ["SECRET_REFUSED", "SECRET_TOO_LARGE", "VAULT_CERTIFICATE_UNUSABLE"] as const) {
      assert.equal((await failed(inUse({ own: over }), code)).own.untransformed?.code, code);
    }
    assert.equal((await failed(inUse({ own: over }), "VAULT_ANSWER_INVALID")).own.untransformed, undefined);
  });

  it("is counted like one whose lease is too short to be renewed", async () => {
    const short = () => ({ ...ISSUED, lease: { id: "creds/1", seconds: 9, renewable: true } });
    const scene = { ...inUse({ own: { ...WAS, replaceAt: START } }), kind: {}, answers: { issue: short } };
    const once = await failed(scene, "VAULT_LEASE_UNUSABLE");
    const { untransformed } = once.own;
    assert.deepEqual([untransformed?.times, untransformed?.code], [1, "VAULT_LEASE_UNUSABLE"]);
    const six = { ...once.own, untransformed: untransformed && { ...untransformed, times: 6 } } as IssuedState;
    assert.deepEqual((await failed({ ...scene, own: six }, "VAULT_LEASE_UNUSABLE")).asked, []);
  });

  it("is asked for no more for an hour after six in a row", async () => {
    const six = await after(6, HOUR - 1);
    const state = { digest: DIGEST, issues: [live({ vaultLease: aLease({ issuedAt: START, seconds: 86_400 }) })] };
    const held = await failed({ ...inUse({ own: six }), state });
    assert.deepEqual([held.asked, held.own.untransformed], [[], six.untransformed]);
    await assert.rejects(aRun({ kind: failing(), ...inUse({ own: six }), state }).obtain(), {
      message:
        "Vault has issued 6 times in vain, so keyferry asks at most once an hour until the declaration, " +
        "a SecretTransformation of it, or its annotation keyferry.dev/refresh changes: template x: no",
    });
    assert.equal((await failed(inUse({ own: await after(6, HOUR) }))).own.untransformed?.times, 7);
    assert.equal((await failed(inUse({ own: await after(5, 0) }))).own.untransformed?.times, 6);
  });

  it("is asked for sooner where what is in use would end", async () => {
    const minute = HOUR / 60;
    const cases: readonly (readonly [
      lease: number | undefined,
      lost: boolean,
      ends: number | undefined,
      pause: number,
    ])[] = [
      [60, false, undefined, 30],
      [1, false, undefined, 4],
      [6_000, false, undefined, 60],
      [60, true, undefined, 60],
      [0, false, undefined, 60],
      [undefined, false, 20, 10],
    ];
    for (const [lease, lost, ends, pause] of cases) {
      const asksAfter = async (agoMs: number): Promise<boolean> => {
        const last = START - agoMs;
        const own = await after(6, agoMs);
        const vaultLease = aLease({ issuedAt: last, seconds: (lease ?? 0) * 60 });
        const issues = lease === undefined ? [] : [live({ vaultLease, ...(lost ? { lost: "gone" } : {}) })];
        const kind = { ...failing(), ...(ends === undefined ? {} : { endsAt: () => last + ends * minute }) };
        return (await failed({ ...inUse({ own }), kind, state: { digest: DIGEST, issues } })).asked.length > 0;
      };
      assert.deepEqual([await asksAfter(pause * minute - 1), await asksAfter(pause * minute)], [false, true]);
    }
  });

  it("is asked for by an event as after any other pause, but not because an earlier one is still unverified", async () => {
    const of = async (agoMs: number, scene: Partial<Scene>) => {
      const own = await after(6, agoMs);
      return (await failed({ ...inUse({ own }), ...scene, state: { digest: DIGEST, issues: [], ...scene.state } }))
        .asked;
    };
    const pause = (4 * HOUR) / 60;
    for (const row of [{ verify: true }, { expect: { version: 0, at: START } }]) {
      assert.deepEqual(await of(pause - 1, { row }), []);
      assert.notEqual((await of(pause, { row })).length, 0);
    }
    assert.deepEqual(await of(pause, { state: { isUnverified: true } }), []);
    assert.deepEqual(await of(pause, {}), []);
  });

  it("is asked for at once by another declaration, and its success ends the count", async () => {
    const own = await after(6, 0);
    const untransformed = own.untransformed && { ...own.untransformed, of: "what was declared before" };
    assert.equal((await failed(inUse({ own: { ...own, untransformed } as IssuedState }))).own.untransformed?.times, 1);
    const resolved = { cause: "another" };
    const changed = await obtained({ ...inUse({ own }), resolved });
    assert.deepEqual([changed.text, changed.own.untransformed], ["new", undefined]);
    assert.equal(changed.own.request, requestOf(aResolved(resolved)));
  });

  it("was only read where a GET leaves no lease, and is not counted", async () => {
    const own = { ...WAS, replaceAt: START };
    const shared = await failed({ ...inUse({ own: { ...own, isLeaseless: true } }), answers: { ask: leaseless } });
    assert.deepEqual([shared.asked, shared.own.untransformed], [["ask"], undefined]);
    assert.equal((await failed({ ...inUse({ own }), answers: { issue: leaseless } })).own.untransformed, undefined);
  });

  it("is read from a row as it was written, and counts as missing where it can't be read", async () => {
    const { untransformed } = await after(6, 0);
    const of = (changed: object) => issuedState({ own: { untransformed: { ...untransformed, ...changed } } as never });
    assert.deepEqual(of({}).untransformed, untransformed);
    for (const wrong of [{ times: "6" }, { last: null }, { of: 1 }, { code: "VAULT_DENIED" }, { message: 1 }]) {
      assert.equal(of(wrong).untransformed, undefined);
    }
  });
});
