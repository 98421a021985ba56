import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { digestOf } from "../../../../lib/digest.ts";
import { dynamicSecret } from "../../../../lib/kinds/dynamic/dynamic-secret.ts";
import type { ResolvedDynamicSecret } from "../../../../lib/kinds/dynamic/resolve.ts";
import { type IssuedState, issuedState } from "../../../../lib/kinds/issued/issued-state.ts";
import { requestOf } from "../../../../lib/kinds/issued/request-of.ts";
import type { Obtained, ObtainInput } from "../../../../lib/kinds/kind.ts";
import type { IssuedData } from "../../../../lib/ports/vault-issues.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";
import { type LosslessObject, parseLossless } from "../../../../lib/util/lossless.ts";
import { aLease, anIssue, START } from "../../issues/an-issue.ts";
import { aResolved, aRun, HELD, KEY, type Scene } from "../issued/a-credential.ts";

const PLAIN = { excludeRaw: true, templates: [], includes: [], excludes: [], missingKey: "default" } as const;
const DIGEST = digestOf(KEY, HELD);
type Data = Extract<Obtained, { readonly kind: "data" }>;

/** An answer with these fields. */
function answer(fields: object, more: Partial<IssuedData> = {}): IssuedData {
  const response = parseLossless(JSON.stringify(fields)) as LosslessObject;
  return { response, fields: new Map(Object.entries(response)), requestId: "r-7", goodForSeconds: 0, ...more };
}

interface Given extends Scene {
  readonly answer?: IssuedData;
  readonly dynamic?: Partial<ResolvedDynamicSecret>;
  readonly random?: number;
}

async function obtained({ answer: given = answer({ password: "new" }), dynamic, random = 0, ...scene }: Given = {}) {
  const resolved = { transformation: PLAIN, allowStaticCreds: false, ...dynamic } as Partial<ResolvedDynamicSecret>;
  const one = aRun({ ...scene, resolved, answers: { issue: () => given, ask: () => given } });
  const run = { ...one.run, random: () => random } as unknown as ObtainInput<ResolvedDynamicSecret>;
  const result = (await dynamicSecret.obtain(run)) as Data;
  const text = result.data.get("password")?.reveal().toString();
  return { ...one, result, text, own: issuedState({ own: result.own ?? null }), asked: one.vault.asked };
}

const lease = { id: "database/creds/app/1", seconds: 600, renewable: true };

describe("a dynamic secret with a lease", () => {
  it("tells its lease and its request, and is kept by renewals", async () => {
    const { result, own, text } = await obtained({ answer: answer({ password: "new" }, { lease }) });
    assert.deepEqual([text, result.next, own.made, own.replaceAt], ["new", "event", { requestId: "r-7" }, undefined]);
    assert.deepEqual(result.status, {
      ...{ lastRenewalTime: START / 1_000, vaultClientMeta: null },
      secretLease: { id: lease.id, duration: 600, renewable: true, requestID: "r-7" },
      staticCredsMetaData: null,
    });
  });

  it("leaves what VSO says of its own client while it has VSO's token", async () => {
    const own: IssuedState = { request: requestOf(aResolved()), keys: ["password"], asks: [], issuedAt: START - 1_500 };
    const scene = (shared: boolean) => ({
      held: HELD,
      own,
      state: {
        digest: DIGEST,
        issues: [anIssue({ shared, renewWithin: 270, vaultLease: aLease({ issuedAt: own.issuedAt ?? 0 }) })],
      },
    });
    const status = async (shared: boolean) => (await obtained(scene(shared))).result.status as JsonObject;
    assert.deepEqual(
      ["vaultClientMeta" in (await status(true)), "vaultClientMeta" in (await status(false))],
      [false, true],
    );
    assert.deepEqual((await status(true)).secretLease, {
      id: anIssue().vaultLease?.id,
      duration: 600,
      renewable: true,
      requestID: "",
    });
    assert.equal((await status(true)).lastRenewalTime, Math.floor((START - 1_500) / 1_000));
  });
});

describe("a dynamic secret without a lease", () => {
  const at = async (dynamic: Partial<ResolvedDynamicSecret>, more: Partial<IssuedData> = {}, fields: object = {}) => {
    const { result } = await obtained({ dynamic, answer: answer({ password: "new", ...fields }, more) });
    return typeof result.next === "object" && "at" in result.next ? result.next.at - START : result.next;
  };

  it("is asked for again by the shortest of what is declared, what Vault says, and what the data says", async () => {
    assert.equal(await at({}), "event");
    assert.equal(await at({ refreshAfterMs: 100_000 }), 90_000);
    assert.equal(await at({}, { goodForSeconds: 1_000 }), 670_000);
    assert.equal(await at({ refreshAfterMs: 100_000 }, { goodForSeconds: 1_000 }), 90_000);
    assert.equal(await at({ refreshAfterMs: 1_000_000 }, { goodForSeconds: 1_000 }), 670_000);
    assert.equal(await at({ renewalPercent: 20 }, { goodForSeconds: 1_000 }), 200_000);
    assert.equal(await at({ refreshAfterMs: 500 }), 1_000, "a second at least");
  });

  it("is asked for again a tenth of refreshAfter earlier at most, so that what began together is spread", async () => {
    const dynamic = { refreshAfterMs: 100_000 };
    for (const [random, after] of [
      [0, 90_000],
      [0.5, 85_000],
      [0.99, 80_100],
    ] as const) {
      const { result } = await obtained({ dynamic, random });
      assert.deepEqual(result.next, { at: START + after }, String(random));
    }
  });

  it("has an empty lease in its status", async () => {
    const { result } = await obtained();
    assert.deepEqual((result.status as JsonObject).secretLease, {
      id: "",
      duration: 0,
      renewable: false,
      requestID: "r-7",
    });
    assert.equal("vaultClientMeta" in (result.status as JsonObject), false);
    assert.equal((result.status as JsonObject).staticCredsMetaData, null);
  });
});

describe("a static role", () => {
  const last = new Date(START - 60_000).toISOString();
  const fields = { password: "rotated", last_vault_rotation: last, rotation_period: 3_600, ttl: 100 };
  const rotation = { last, period: 3_600, ttl: 100 };
  const own = (changed: Partial<IssuedState> = {}): IssuedState => ({
    ...{ request: requestOf(aResolved()), keys: ["password"], asks: [], issuedAt: START - 60_000, isLeaseless: true },
    made: { requestId: "r-1", rotation },
    ...changed,
  });
  const dynamic = { allowStaticCreds: true };

  it("is read until its rotation is due, and told in its status", async () => {
    const { result, own: known } = await obtained({ dynamic, answer: answer(fields) });
    assert.deepEqual(result.next, { at: START + 100_500 });
    assert.deepEqual(known.made, { requestId: "r-7", rotation });
    assert.deepEqual((result.status as JsonObject).staticCredsMetaData, {
      ...{ lastVaultRotation: (START - 60_000) / 1_000, rotationPeriod: 3_600, ttl: 100 },
    });
  });

  it("is data like any where the declaration does not allow static credentials", async () => {
    const { result, own: known } = await obtained({ answer: answer(fields) });
    assert.deepEqual(known.made, { requestId: "r-7", unfollowed: rotation, refreshAfterMs: 0 });
    assert.equal((result.status as JsonObject).staticCredsMetaData, null);
  });

  it("keeps the Secret as it is until the rotation moved, and is read each time", async () => {
    const state = { digest: DIGEST };
    const same = await obtained({ dynamic, held: HELD, own: own(), state, answer: answer({ ...fields, ttl: 50 }) });
    assert.deepEqual([same.text, same.asked, same.result.isIssued], ["held", ["ask"], false]);
    const moved = await obtained({
      dynamic,
      held: HELD,
      own: own(),
      state,
      answer: answer({ ...fields, last_vault_rotation: new Date(START).toISOString() }),
    });
    assert.deepEqual([moved.text, moved.asked], ["rotated", ["ask"]]);
    const other = await obtained({
      dynamic,
      held: HELD,
      own: own({ request: "another" }),
      state,
      answer: answer(fields),
    });
    assert.equal(other.text, "rotated", "another request's answer is another one, whatever its rotation");
  });

  it("that waits for a rotation which is due is read again after a second", async () => {
    const state = { digest: DIGEST };
    const waiting = await obtained({
      dynamic,
      held: HELD,
      own: own({ replaceAt: START - 500 }),
      state,
      answer: answer(fields),
    });
    assert.deepEqual(waiting.result.next, { at: START + 1_000 });
    assert.deepEqual(waiting.own.made?.rotation, { ...rotation, awaitedSince: START - 500 });
  });

  it("whose rotation does not come warns, and says nothing more once it has come", async () => {
    const state = { digest: DIGEST };
    const waiting = own({
      made: { requestId: "r-1", rotation: { ...rotation, ttl: 0, awaitedSince: START - 60_000 } },
    });
    const scene = { dynamic, held: HELD, own: waiting, state };
    const overdue = await obtained({ ...scene, answer: answer({ ...fields, ttl: 0 }) });
    assert.deepEqual(
      [overdue.text, overdue.result.warnings.map(({ reason }) => reason)],
      ["held", ["RotationOverdue"]],
    );
    const come = { ...fields, last_vault_rotation: new Date(START).toISOString() };
    const over = await obtained({ ...scene, answer: answer(come) });
    assert.deepEqual([over.text, over.result.warnings], ["rotated", []]);
  });

  describe("whose allowStaticCreds is edited", () => {
    const state = { digest: DIGEST };
    const unfollowed = own({ made: { requestId: "r-1", unfollowed: rotation, refreshAfterMs: 0 } });

    it("is read, and its Secret stays as it is while the rotation is the same", async () => {
      const scene = { dynamic, held: HELD, own: unfollowed, state };
      const same = await obtained({ ...scene, answer: answer({ ...fields, ttl: 50 }) });
      assert.deepEqual([same.text, same.asked, same.result.isIssued], ["held", ["ask"], false]);
      assert.deepEqual(same.own.made, { requestId: "r-7", rotation: { ...rotation, ttl: 50 } });
      const come = { ...fields, last_vault_rotation: new Date(START).toISOString() };
      assert.equal((await obtained({ ...scene, answer: answer(come) })).text, "rotated");
    });

    it("is data like any again, and nothing is asked", async () => {
      const scene = { dynamic: { refreshAfterMs: 1_000_000 }, held: HELD, own: own({ replaceAt: START + 1 }), state };
      const one = await obtained(scene);
      assert.deepEqual([one.text, one.asked, one.result.next], ["held", [], { at: START - 60_000 + 900_000 }]);
      assert.deepEqual(one.own.made, { requestId: "r-1", unfollowed: rotation, refreshAfterMs: 1_000_000 });
      assert.equal((one.result.status as JsonObject).staticCredsMetaData, null);
      const again = await obtained({ ...scene, own: one.own, random: 1 });
      assert.deepEqual([again.own, again.result.next], [one.own, one.result.next]);
    });

    it("is read once if a former version read it, and the Secret shows that it is a static role", async () => {
      const held = new Map([...HELD, ["last_vault_rotation", SecretValue.of(last)]]);
      const former = {
        ...{ held, state: { digest: digestOf(KEY, held) } },
        own: own({ made: { requestId: "r-1" }, keys: [...held.keys()] }),
      };
      const one = await obtained({ ...former, dynamic, answer: answer(fields) });
      assert.deepEqual([one.text, one.asked, one.own.made?.rotation], ["rotated", ["ask"], rotation]);
      const none = await obtained({ ...former, dynamic, answer: answer({ last_vault_rotation: "no" }) });
      assert.deepEqual(none.asked, ["ask"]);
      assert.deepEqual((await obtained({ ...former, dynamic, own: { ...former.own, ...none.own } })).asked, []);
      assert.deepEqual((await obtained(former)).asked, []);
      const { isLeaseless: _leaseless, ...leased } = former.own;
      const vaultLease = aLease({ issuedAt: leased.issuedAt ?? 0 });
      const issues = { issues: [anIssue({ renewWithin: 270, vaultLease })] };
      const live = { ...former, own: leased, state: { ...former.state, ...issues } };
      assert.deepEqual((await obtained({ ...live, dynamic })).asked, []);
      assert.deepEqual((await obtained({ ...former, ...{ held: HELD, state }, dynamic })).asked, []);
    });
  });
});
