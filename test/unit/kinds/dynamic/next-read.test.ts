import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { asDeclaredNow, countedFrom, goodUntil, nextRead } from "../../../../lib/kinds/dynamic/next-read.ts";
import type { ResolvedDynamicSecret } from "../../../../lib/kinds/dynamic/resolve.ts";
import type { IssuedState } from "../../../../lib/kinds/issued/issued-state.ts";
import { START } from "../../issues/an-issue.ts";
import { aCertificate } from "./an-ssh-certificate.ts";

type Declared = Partial<Pick<ResolvedDynamicSecret, "refreshAfterMs" | "allowStaticCreds">>;

const declared = (changed: Declared = {}) =>
  ({ refreshAfterMs: undefined, renewalPercent: 67, allowStaticCreds: false, ...changed }) as ResolvedDynamicSecret;

describe("the next read of data without a lease", () => {
  it("is at the earlier one of refreshAfter and of its end, after a second at least", () => {
    const of = (changed: Declared, until?: number, random = 0) =>
      nextRead(declared(changed), START, until, () => random).replaceAt;
    assert.equal(of({}), undefined);
    assert.equal(of({}, START + 5), START + 5);
    assert.equal(of({ refreshAfterMs: 100_000 }), START + 90_000);
    assert.equal(of({ refreshAfterMs: 100_000 }, START + 95_000, 0.5), START + 85_000);
    assert.equal(of({ refreshAfterMs: 100_000 }, START + 70_000), START + 70_000);
    assert.equal(of({ refreshAfterMs: 500 }), START + 1_000);
  });

  it("has an end where Vault or the data says so", () => {
    const of = (goodForSeconds: number) => goodUntil(declared(), { fields: new Map(), goodForSeconds }, START);
    assert.deepEqual([of(0), of(1_000), of(1)], [undefined, START + 670_000, START + 1_000]);
    const signed = aCertificate("ssh-ed25519-cert-v01@openssh.com", 1, BigInt(START / 1_000 + 500));
    const fields = new Map([["signed_key", signed]]);
    const both = (goodForSeconds: number) => goodUntil(declared(), { fields, goodForSeconds }, START);
    assert.deepEqual([0, 400, 1_000].map(both), [START + 335_000, START + 268_000, START + 335_000]);
  });
});

describe("data without a lease, after an edit", () => {
  const was = (changed: Partial<IssuedState> = {}): IssuedState => ({
    ...{ keys: ["pin"], asks: [], issuedAt: START, isLeaseless: true, replaceAt: START + 85_000 },
    made: { requestId: "r", ...countedFrom(declared({ refreshAfterMs: 100_000 }), START + 670_000) },
    ...changed,
  });
  const now = (changed: Declared, before = was()) => asDeclaredNow(declared(changed), before, () => 0);

  it("stays as it is while refreshAfter is the same", () => {
    assert.equal(now({ refreshAfterMs: 100_000 }).replaceAt, START + 85_000);
    const never = was({ made: { requestId: "r", ...countedFrom(declared(), undefined) } });
    assert.deepEqual(now({}, never), never);
  });

  it("is read by the new refreshAfter, and before its end", () => {
    assert.equal(now({ refreshAfterMs: 50_000 }).replaceAt, START + 45_000);
    assert.equal(now({ refreshAfterMs: 700_000 }).replaceAt, START + 630_000);
    assert.equal(now({ refreshAfterMs: 900_000 }).replaceAt, START + 670_000);
    assert.equal(now({}).replaceAt, START + 670_000);
    const endless = was({ made: countedFrom(declared({ refreshAfterMs: 100_000 }), undefined) });
    assert.deepEqual(now({}, endless), {
      ...{ keys: ["pin"], asks: [], issuedAt: START, isLeaseless: true, made: { refreshAfterMs: 0 } },
    });
  });

  it("counts the next edit from what this one said", () => {
    const edited = now({ refreshAfterMs: 50_000 });
    assert.deepEqual(now({ refreshAfterMs: 50_000 }, edited), edited);
    assert.equal(now({ refreshAfterMs: 100_000 }, edited).replaceAt, START + 90_000);
    assert.deepEqual(edited.made, { requestId: "r", refreshAfterMs: 50_000, goodUntil: START + 670_000 });
  });

  it("that a former version read is read earlier, but never later", () => {
    const former = was({ made: { requestId: "r" } });
    for (const refreshAfterMs of [undefined, 100_000, 900_000])
      assert.deepEqual(now({ refreshAfterMs }, former), former, String(refreshAfterMs));
    assert.deepEqual(now({ refreshAfterMs: 50_000 }, former), { ...former, replaceAt: START + 45_000 });
    assert.deepEqual(now({ refreshAfterMs: 94_000 }, former), { ...former, replaceAt: START + 84_600 });
    const latest = { ...former, replaceAt: START + 90_000 };
    assert.deepEqual(
      asDeclaredNow(declared({ refreshAfterMs: 100_000 }), latest, () => 0.5),
      latest,
    );
    const { replaceAt: _at, ...never } = former;
    assert.deepEqual(now({}, never), never);
    assert.equal(now({ refreshAfterMs: 900_000 }, never).replaceAt, START + 810_000);
    const { made: _made, ...taken } = former;
    assert.equal(now({ refreshAfterMs: 50_000 }, taken).replaceAt, START + 45_000);
  });

  it("takes no end that can't be read", () => {
    assert.equal(now({}, was({ made: { refreshAfterMs: 100_000, goodUntil: "soon" } })).replaceAt, undefined);
  });

  it("does not concern a credential with a lease, nor one that is not known", () => {
    const { isLeaseless: _leaseless, ...leased } = was();
    const { issuedAt: _at, ...unknown } = was();
    for (const before of [leased, unknown]) assert.deepEqual(now({ refreshAfterMs: 50_000 }, before), before);
  });

  it("leaves a static role alone that is followed", () => {
    const rotation = { last: new Date(START).toISOString(), period: 60, ttl: 60 };
    for (const made of [{ rotation }, { unfollowed: rotation, refreshAfterMs: 0 }])
      assert.deepEqual(now({ allowStaticCreds: true, refreshAfterMs: 50_000 }, was({ made })), was({ made }));
  });
});
