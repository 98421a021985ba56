import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ErrorCode, SyncError } from "../../../lib/errors.ts";
import { warningsOf } from "../../../lib/kinds/static/warnings.ts";
import { eventOf, isToldIn, newsOf, nextStatus, type RunOutcome } from "../../../lib/origins/status.ts";
import {
  type KindRef,
  VAULT_DYNAMIC_SECRET,
  VAULT_PKI_SECRET,
  VAULT_STATIC_SECRET,
} from "../../../lib/resource-kinds.ts";
import type { JsonObject } from "../../../lib/util/json.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const KIND = VAULT_STATIC_SECRET;
const SYNCED: RunOutcome = { kind: "synced", mac: "bWFj", wrote: "created" };
const FAILED: RunOutcome = { kind: "failed", error: new SyncError("VAULT_DENIED", "Vault refuses kv/data/x") };

const status = (before: JsonObject, outcome: RunOutcome, generation = 1, now = NOW) =>
  nextStatus(before, { kind: KIND, generation, outcome, now });
const conditions = (of: JsonObject) => of.conditions as readonly Record<string, unknown>[];
const condition = (of: JsonObject, type: string) => conditions(of).find((one) => one.type === type);

describe("status", () => {
  it("kubernetes-rules 15: has the three conditions and the required fields, always", () => {
    for (const outcome of [SYNCED, FAILED]) {
      const made = status({}, outcome);
      assert.deepEqual(
        conditions(made).map((one) => one.type),
        ["SecretSynced", "Healthy", "Ready"],
      );
      assert.equal(typeof made.lastGeneration, "number");
      for (const one of conditions(made)) assert.ok(one.reason && typeof one.message === "string");
    }
  });

  it("kubernetes-rules 15: has what its kind requires from the first failure on, and keeps what is there", () => {
    const secretLease = { id: "", duration: 0, renewable: false, requestID: "" };
    for (const [kind, members] of [
      [VAULT_STATIC_SECRET, { lastGeneration: 0 }],
      [VAULT_DYNAMIC_SECRET, { lastGeneration: 0, lastRenewalTime: 0, secretLease }],
      [VAULT_PKI_SECRET, { lastGeneration: 0, lastRotation: 0, valid: false, error: "" }],
    ] as const) {
      const of = { kind, generation: 3, outcome: FAILED, now: NOW };
      const { conditions: _told, ...made } = nextStatus({}, of);
      assert.deepEqual(made, { ...members, observedGeneration: 3 });
      const before = { ...members, lastGeneration: 2, valid: true, other: "kept" };
      const { conditions: _again, ...kept } = nextStatus(before, of);
      assert.deepEqual(kept, { ...before, observedGeneration: 3 });
    }
  });

  it("drops every warning that is over, and nothing of others", () => {
    const warnings = [
      ...["TemplatesComplete", "InstantUpdates", "CredentialRevocable", "CredentialRenewed"],
      ...["RevokeReplaced", "ReconcileInterval", "RotationCheck", "SecretsMembers"],
    ];
    const before = ["Foreign", ...warnings].map((type) => ({ type, status: "False", reason: "x", message: "" }));
    const left = conditions(status({ conditions: before }, SYNCED)).map(({ type }) => type);
    assert.deepEqual(left, ["Foreign", "SecretSynced", "Healthy", "Ready"]);
  });

  it("says in VSO's words that all is well", () => {
    const told = conditions(status({}, SYNCED)).map(({ type, status: value, reason, message }) => [
      type,
      value,
      reason,
      message,
    ]);
    assert.deepEqual(told, [
      ["SecretSynced", "True", "Synced", "Secret synced"],
      ["Healthy", "True", "Healthy", "VaultStaticSecretHealthy"],
      ["Ready", "True", "Ready", "VaultStaticSecretReady"],
    ]);
    const failed = conditions(status({}, FAILED)).map(({ type, status: value, reason }) => [type, value, reason]);
    assert.deepEqual(failed, [
      ["SecretSynced", "False", "Synced"],
      ["Healthy", "False", "Unhealthy"],
      ["Ready", "False", "Ready"],
    ]);
  });

  it("leads a failure's message with its code, and says that it is over on the next success", () => {
    const failed = status({}, FAILED);
    assert.match(String(condition(failed, "Ready")?.message), /^VAULT_DENIED: /);
    assert.equal(condition(status(failed, SYNCED), "SecretSynced")?.status, "True");
  });

  it("kubernetes-rules 15: moves a time only with the status value, and keeps conditions of others", () => {
    const foreign = { type: "Foreign", status: "True", reason: "x", message: "" };
    const first = status({ conditions: [foreign] }, SYNCED);
    const later = status(first, SYNCED, 2, NOW + 60_000);
    assert.deepEqual(conditions(later)[0], foreign);
    assert.equal(condition(later, "Ready")?.lastTransitionTime, "2026-01-01T00:00:00Z");
    assert.equal(
      condition(status(first, FAILED, 1, NOW + 60_000), "Ready")?.lastTransitionTime,
      "2026-01-01T00:01:00Z",
    );
  });

  it("kubernetes-rules 15: keeps the times of what stays stalled, and of warnings that stay", () => {
    const parked: RunOutcome = { kind: "failed", error: new SyncError("SPEC_INVALID", "no") };
    const warning = { type: "InstantUpdates", status: "False", reason: "x", message: "no events" } as const;
    const told: RunOutcome = { ...SYNCED, warnings: [warning] };
    for (const outcome of [parked, told, { kind: "warned", type: warning.type, warning } as const]) {
      const first = status(status({}, SYNCED), outcome);
      assert.deepEqual(status(first, outcome, 1, NOW + 60_000), first);
    }
    const over = status(status({}, parked), SYNCED);
    const again = condition(status(over, parked, 1, NOW + 60_000), "Stalled");
    assert.equal(again?.lastTransitionTime, "2026-01-01T00:01:00Z");
  });

  it("shows restarts beside the rest, keeps what it said of them, and says nothing where there are no targets", () => {
    const rollout = { status: "False", reason: "RolloutRestartTriggeredFailed", message: "TARGET_MISSING: x" } as const;
    const failed = status({}, { ...SYNCED, rollout });
    const { status: value, reason } = condition(failed, "RolloutRestart") ?? {};
    assert.deepEqual({ value, reason }, { value: "False", reason: "RolloutRestartTriggeredFailed" });
    assert.equal(condition(failed, "Ready")?.status, "True");
    const owed = status(failed, { ...SYNCED, isRolloutOwed: true });
    assert.deepEqual(condition(owed, "RolloutRestart"), condition(failed, "RolloutRestart"));
    assert.ok(condition(status(failed, FAILED), "RolloutRestart"));
    assert.equal(condition(status(failed, { ...SYNCED, rollout: null }), "RolloutRestart"), undefined);
  });

  it("drops what VSO said last of a renewal, and of a failed restart that is not owed, once", () => {
    const [failed, done, renewed] = [
      { type: "RolloutRestart", status: "False", reason: "RolloutRestartTriggeredFailed", message: "x" },
      { type: "RolloutRestart", status: "True", reason: "RolloutRestartTriggered", message: "x" },
      { type: "LeaseRenewal", status: "False", reason: "SecretLeaseRenewalError", message: "x" },
    ];
    const from = (...told: readonly JsonObject[]): JsonObject => ({ observedGeneration: 1, conditions: told });
    const left = (told: JsonObject) => conditions(told).map(({ type }) => type);
    const OURS = ["SecretSynced", "Healthy", "Ready"];
    assert.deepEqual(left(status(from(failed, renewed), SYNCED)), OURS);
    assert.deepEqual(left(status(from(done, renewed), SYNCED)), ["RolloutRestart", ...OURS]);
    assert.deepEqual(left(status(from(failed, renewed), FAILED)), ["RolloutRestart", "LeaseRenewal", ...OURS]);
    const isTold = (told: JsonObject, isRolloutOwed: boolean) => isToldIn(from(told), [], isRolloutOwed);
    assert.deepEqual([isTold(renewed, false), isTold(failed, false)], [false, false], "rows of an earlier version");
    assert.deepEqual([isTold(failed, true), isTold(done, false), isTold(done, true)], [true, true, true]);
  });

  it("says what is to be known of a sync in step, as long as it holds", () => {
    const warnings = warningsOf({ instantUpdates: true, refreshAfterMs: 30_000 }, ["here", "there"], undefined);
    const told = status({}, { ...SYNCED, warnings });
    assert.equal(condition(told, "Ready")?.status, "True");
    assert.match(String(condition(told, "TemplatesComplete")?.message), /<no value>.*: here; there\. /);
    assert.match(
      String(condition(told, "InstantUpdates")?.message),
      /functions on AWS keep .* Meanwhile keyferry reads Vault every 30 s/,
    );
    assert.equal(isToldIn(told, warnings, false), true);
    assert.equal(
      isToldIn(told, warningsOf({ instantUpdates: true, refreshAfterMs: 5_000 }, ["here"], undefined), false),
      false,
    );
    assert.ok(condition(status(told, FAILED), "TemplatesComplete"), "a failure says nothing of it");
    const over = status(told, { ...SYNCED, warnings: [] });
    assert.equal(condition(over, "TemplatesComplete") ?? condition(over, "InstantUpdates"), undefined);
    assert.equal(isToldIn(over, [], false), true);
    assert.equal(isToldIn(newsOf(over), [], false), false, "the generation is to be told as well");
    const following = { kind: "following" } as const;
    assert.deepEqual(warningsOf({ instantUpdates: true, refreshAfterMs: 5_000 }, [], following), []);
    const wishes = { instantUpdates: false, refreshAfterMs: undefined };
    const many = warningsOf(wishes, Array(10).fill("x".repeat(400)), undefined);
    assert.match(many[0]?.message ?? "", /; and 7 more\. /);
    assert.ok((many[0]?.message.length ?? 0) < 32_768);
  });

  it("has told a warning whose message was cut, or had characters escaped", () => {
    const warning = { type: "TemplatesComplete", status: "False", reason: "x" } as const;
    for (const message of ["x".repeat(5_000), "a\u001bb\u202e", `${"\n".repeat(700)}é`]) {
      const warnings = [{ ...warning, message }];
      const told = status({}, { ...SYNCED, warnings });
      assert.equal(isToldIn(told, warnings, false), true, message.slice(0, 10));
      assert.equal(isToldIn(told, [{ ...warning, message: `!${message}` }], false), false);
    }
  });

  it("is stalled when nothing but a change of the declaration helps, and not after that", () => {
    const parked = status({}, { kind: "failed", error: new SyncError("SPEC_INVALID", "no") });
    const { status: value, reason, message } = condition(parked, "Stalled") ?? {};
    assert.deepEqual(
      { value, reason, message },
      { value: "True", reason: "SPEC_INVALID", message: "SPEC_INVALID: no" },
    );
    assert.equal(parked.observedGeneration, 1);
    assert.equal(condition(status(parked, FAILED), "Stalled"), undefined);
    assert.equal(condition(status(parked, SYNCED), "Stalled"), undefined);
  });

  it("kubernetes-rules 16: tells a new generation", () => {
    const first = status({}, SYNCED);
    assert.notDeepEqual(status(first, SYNCED, 2), first);
    assert.deepEqual(status(first, SYNCED), first);
    assert.equal(status(first, FAILED, 2).lastGeneration, 1, "a failure carries nothing out");
  });

  it("kubernetes-rules 22: has a MAC by the cluster's key, or none", () => {
    assert.equal(status({}, SYNCED).secretMAC, "bWFj");
    assert.equal("secretMAC" in status({ secretMAC: "b2xk" }, { kind: "synced" }), false);
    assert.equal(status({ secretMAC: "b2xk" }, FAILED).secretMAC, "b2xk", "a failure writes no data");
  });

  it("emits an event for a write and for a failure, and none for a run that changed nothing", () => {
    assert.equal(eventOf(KIND, SYNCED)?.type, "Normal");
    assert.equal(eventOf(KIND, FAILED)?.reason, "VaultClientError");
    assert.equal(eventOf(KIND, { kind: "synced" }), undefined);
  });

  it("has VSO's reason for each kind of failure", () => {
    const reason = (code: ErrorCode, kind: KindRef = KIND) =>
      eventOf(kind, { kind: "failed", error: new SyncError(code, "") })?.reason;
    assert.equal(reason("VAULT_LOGIN_REFUSED"), "VaultClientConfigError");
    assert.equal(reason("REFERENCE_MISSING"), "VaultClientConfigError");
    assert.equal(reason("VAULT_PATH_MISSING"), "VaultClientError");
    assert.equal(reason("TRANSFORM_FAILED"), "TransformationError");
    assert.equal(reason("SPEC_INVALID"), "VaultStaticSecretError");
    assert.equal(reason("UNSUPPORTED", VAULT_PKI_SECRET), "SecretSyncError");
    assert.equal(reason("SECRET_NOT_OURS"), "SecretSyncError");
  });
});
