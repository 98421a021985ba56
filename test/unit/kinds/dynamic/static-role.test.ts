import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LosslessNumber } from "lossless-json";
import {
  afterRead,
  isSameRotation,
  knownRotation,
  overdueWarning,
  rotationJson,
  rotationOf,
  rotationStatus,
} from "../../../../lib/kinds/dynamic/static-role.ts";

const NOW = Date.UTC(2030, 0, 1);
const LAST = "2029-12-31T23:59:00.5Z";
const ROTATION = { last: LAST, period: 60, ttl: 20 };
const FIELDS = { last_vault_rotation: LAST, rotation_period: new LosslessNumber("60"), ttl: new LosslessNumber("20") };
const BY_SCHEDULE = { ...ROTATION, period: 0, schedule: "0 0 * * 6" };
const read = (fields: object) =>
  rotationOf({ fields: new Map(Object.entries(fields)) as Parameters<typeof rotationOf>[0]["fields"] });

describe("the rotation of a static role", () => {
  it("is read from Vault's answer, by period or by schedule", () => {
    assert.deepEqual(read(FIELDS), ROTATION);
    const { rotation_period: _period, ...scheduled } = { ...FIELDS, rotation_schedule: "0 0 * * 6" };
    assert.deepEqual(read(scheduled), BY_SCHEDULE);
    assert.deepEqual(read({ ...FIELDS, rotation_schedule: "" }), ROTATION);
    assert.deepEqual(read({ ...FIELDS, rotation_period: new LosslessNumber("1") })?.period, 1);
    for (const ttl of [undefined, "20", new LosslessNumber("-1"), new LosslessNumber("1.5")])
      assert.equal(read({ ...FIELDS, ttl })?.ttl, 0);
  });

  it("is none where the answer is of another role", () => {
    for (const last of [undefined, 7, "", "soon", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"])
      assert.equal(read({ ...FIELDS, last_vault_rotation: last }), undefined, String(last));
    assert.equal(read({ ...FIELDS, rotation_period: new LosslessNumber("0") }), undefined);
  });

  it("differs by its time, period or schedule, and not by the seconds that are left", () => {
    assert.equal(isSameRotation(ROTATION, { ...ROTATION, ttl: 1 }), true);
    for (const change of [{ last: "2029-12-31T23:58:00Z" }, { period: 61 }, { schedule: "* * * * *" }])
      assert.equal(isSameRotation(ROTATION, { ...ROTATION, ...change }), false, JSON.stringify(change));
    assert.equal(isSameRotation(undefined, ROTATION), false);
    assert.equal(isSameRotation(ROTATION, undefined), false);
  });

  it("is remembered as it was, with what is awaited, and as nothing when a part of it is missing", () => {
    for (const known of [ROTATION, BY_SCHEDULE, { ...ROTATION, awaitedSince: NOW }])
      assert.deepEqual(knownRotation({ rotation: rotationJson(known) }), known);
    for (const member of ["last", "period", "ttl"])
      assert.equal(knownRotation({ rotation: { ...ROTATION, [member]: null } }), undefined, member);
    for (const made of [undefined, {}, { rotation: "x" }]) assert.equal(knownRotation(made), undefined);
    assert.deepEqual(knownRotation({ rotation: { ...ROTATION, schedule: 7, awaitedSince: "x" } }), ROTATION);
  });

  it("is told in seconds, as VSO tells it", () => {
    const lastVaultRotation = Math.floor(Date.parse(LAST) / 1_000);
    assert.deepEqual(rotationStatus(ROTATION), { lastVaultRotation, rotationPeriod: 60, ttl: 20 });
    assert.deepEqual(rotationStatus(BY_SCHEDULE), {
      ...{ lastVaultRotation, rotationPeriod: 0, ttl: 20, rotationSchedule: "0 0 * * 6" },
    });
  });
});

describe("the next read of a static role", () => {
  it("comes half a second after its ttl, and after a second at least", () => {
    assert.deepEqual(afterRead(ROTATION, undefined, undefined, NOW), { at: NOW + 20_500, known: ROTATION });
    assert.equal(afterRead({ ...ROTATION, ttl: 0 }, undefined, undefined, NOW).at, NOW + 1_500);
  });

  it("comes each second while a rotation that was due has not come, for ten seconds", () => {
    const first = afterRead(ROTATION, ROTATION, NOW, NOW);
    assert.deepEqual(first, { at: NOW + 1_000, known: { ...ROTATION, awaitedSince: NOW } });
    const second = afterRead(ROTATION, first.known, NOW + 1_000, NOW + 1_000);
    assert.deepEqual(second, { at: NOW + 2_000, known: { ...ROTATION, awaitedSince: NOW } });
    assert.equal(afterRead(ROTATION, first.known, undefined, NOW + 9_999).at, NOW + 10_999);
    assert.deepEqual(afterRead(ROTATION, first.known, undefined, NOW + 10_000), { at: NOW + 30_500, known: ROTATION });
  });

  it("is as its ttl says when it was read too early, or when the rotation has come", () => {
    assert.equal(afterRead(ROTATION, ROTATION, NOW + 1, NOW).at, NOW + 20_500);
    assert.equal(afterRead(ROTATION, ROTATION, undefined, NOW).at, NOW + 20_500);
    const before = { ...ROTATION, last: "2029-12-31T23:58:00Z", awaitedSince: NOW };
    assert.deepEqual(afterRead(ROTATION, before, NOW, NOW), { at: NOW + 20_500, known: ROTATION });
  });

  it("comes in doubling pauses up to a minute, by a schedule, whose ttl is of the time after that", () => {
    const waiting = { ...BY_SCHEDULE, awaitedSince: NOW };
    const ttl = 86_400;
    for (const [waited, pause] of [
      ...[
        [9_999, 1_000],
        [10_000, 2_000],
        [12_000, 4_000],
        [16_000, 8_000],
        [40_000, 32_000],
      ],
      ...[
        [67_999, 59_999],
        [68_000, 60_000],
        [86_400_000, 60_000],
      ],
    ] as const) {
      const after = afterRead({ ...BY_SCHEDULE, ttl }, waiting, undefined, NOW + waited);
      assert.deepEqual(after, { at: NOW + waited + pause, known: { ...waiting, ttl } }, String(waited));
    }
    assert.equal(afterRead({ ...BY_SCHEDULE, ttl: 3 }, waiting, undefined, NOW + 60_000).at, NOW + 63_500);
    assert.equal(afterRead({ ...BY_SCHEDULE, ttl: 1 }, waiting, undefined, NOW + 60_000).at, NOW + 61_500);
    assert.equal(afterRead({ ...BY_SCHEDULE, ttl: 0 }, waiting, undefined, NOW + 60_000).at, NOW + 112_000);
  });

  it("comes so too by a period, if nothing is left of it: other ttls count from the last rotation", () => {
    const waiting = { ...ROTATION, awaitedSince: NOW };
    const after = (ttl: number) => afterRead({ ...ROTATION, ttl }, waiting, undefined, NOW + 60_000);
    assert.deepEqual(after(0), { at: NOW + 112_000, known: { ...waiting, ttl: 0 } });
    assert.deepEqual(after(2), { at: NOW + 62_500, known: { ...waiting, ttl: 2 } });
    assert.deepEqual(after(3), { at: NOW + 63_500, known: { ...ROTATION, ttl: 3 } });
  });

  it("begins with short pauses however late the first one is", () => {
    for (const [late, since] of [
      [9_999, NOW - 9_999],
      [10_000, NOW],
      [3_600_000, NOW],
    ] as const) {
      const after = afterRead(BY_SCHEDULE, BY_SCHEDULE, NOW - late, NOW);
      assert.deepEqual(after, { at: NOW + 1_000, known: { ...BY_SCHEDULE, awaitedSince: since } }, String(late));
    }
    const stepped = afterRead(BY_SCHEDULE, { ...BY_SCHEDULE, awaitedSince: NOW + 3_600_000 }, undefined, NOW);
    assert.deepEqual(stepped, { at: NOW + 1_000, known: { ...BY_SCHEDULE, awaitedSince: NOW } });
  });

  it("is as the ttl says after another period or schedule", () => {
    for (const change of [{ period: 61 }, { schedule: "* * * * *" }])
      assert.equal(afterRead({ ...ROTATION, ...change }, ROTATION, NOW, NOW).at, NOW + 20_500);
  });
});

describe("a rotation that does not come", () => {
  it("is told of after a minute, in the same words each time, and only while it is awaited", () => {
    const waiting = { ...ROTATION, awaitedSince: NOW };
    assert.deepEqual(overdueWarning(ROTATION, NOW + 86_400_000), []);
    assert.deepEqual(overdueWarning(waiting, NOW + 59_999), []);
    const [warning, ...others] = overdueWarning(waiting, NOW + 60_000);
    assert.deepEqual(
      [warning?.type, warning?.status, warning?.reason, others],
      ["CredentialRenewed", "False", "RotationOverdue", []],
    );
    assert.match(warning?.message ?? "", /since 2029-12-31T23:59:00\.500Z, .* since 2030-01-01T00:00:00\.000Z:/);
    assert.deepEqual(overdueWarning({ ...waiting, ttl: 7 }, NOW + 86_400_000), [warning]);
  });
});
