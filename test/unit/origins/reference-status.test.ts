import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { nextReferenceStatus, referenceEvent, type Verdict } from "../../../lib/origins/reference-status.ts";
import type { JsonObject } from "../../../lib/util/json.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const ERROR = new SyncError("REFERENCE_MISSING", "VaultConnection a/b was not found");

const status = (kind: string, verdict: Verdict, before: JsonObject = {}, generation = 1, now = NOW) =>
  nextReferenceStatus(before, { kind, generation, verdict, now });
const types = (of: JsonObject) => (of.conditions as JsonObject[]).map(({ type, status }) => `${type} ${status}`);

describe("the status of what syncs refer to", () => {
  it("a VaultConnection says whether its settings or Vault's answer failed, and forgets what no longer holds", () => {
    const asked = status("VaultConnection", { error: ERROR, isAsked: true });
    assert.deepEqual(types(asked), ["VaultPing False", "ResourceValidation False", "Healthy False", "Ready False"]);
    const unasked = status("VaultConnection", { error: ERROR }, asked);
    assert.deepEqual(types(unasked), ["VaultClient False", "ResourceValidation False", "Healthy False", "Ready False"]);
    const well = status("VaultConnection", { isAsked: true }, unasked);
    assert.deepEqual(types(well), ["VaultPing True", "ResourceValidation True", "Healthy True", "Ready True"]);
    assert.equal(well.valid, true);
    assert.equal("error" in well, false, "its schema has none");
  });

  it("has VSO's reasons and words", () => {
    const said = (kind: string, verdict: Verdict) =>
      (status(kind, verdict).conditions as JsonObject[]).map(({ type, reason, message }) => [type, reason, message]);
    const message = `REFERENCE_MISSING: ${ERROR.message}`;
    assert.deepEqual(said("SecretTransformation", {}), [
      ["Healthy", "Healthy", "SecretsTransformationHealthy"],
      ["Ready", "Ready", "SecretsTransformationReady"],
    ]);
    assert.deepEqual(said("VaultAuth", { error: ERROR }), [
      ["Healthy", "Unhealthy", message],
      ["Ready", "Ready", message],
    ]);
    assert.deepEqual(said("VaultConnection", {}).slice(0, 2), [
      ["VaultPing", "Accepted", "Vault answers"],
      ["ResourceValidation", "Accepted", "VaultConnection accepted"],
    ]);
    assert.deepEqual(said("VaultConnection", { error: ERROR, isAsked: true }).slice(0, 2), [
      ["VaultPing", "InvalidConfiguration", message],
      ["ResourceValidation", "InvalidConfiguration", message],
    ]);
    assert.deepEqual(said("VaultConnection", { error: ERROR })[0], ["VaultClient", "VaultClientConfigError", message]);
    assert.deepEqual(said("VaultAuth", { merged: true })[0], [
      "Available",
      "VaultAuthGlobalRef",
      "VaultAuthGlobal merged",
    ]);
    assert.equal(said("VaultAuth", { merged: false })[0]?.[2], "VaultAuthGlobal not merged");
  });

  it("a VaultAuth has Available only with a vaultAuthGlobalRef, and its error in full", () => {
    assert.deepEqual(types(status("VaultAuth", {})), ["Healthy True", "Ready True"]);
    const failed = status("VaultAuth", { merged: false, error: ERROR });
    assert.deepEqual(types(failed), ["Available False", "Healthy False", "Ready False"]);
    assert.equal(failed.error, `REFERENCE_MISSING: ${ERROR.message}`);
    assert.deepEqual(types(status("VaultAuth", { merged: true }, failed)), [
      "Available True",
      "Healthy True",
      "Ready True",
    ]);
    assert.deepEqual(types(status("VaultAuth", {}, failed)), ["Healthy True", "Ready True"]);
  });

  it("is stalled by what is not supported, tells which generation it is about, and forgets it", () => {
    const stalled = status("VaultConnection", { error: new SyncError("UNSUPPORTED", "no") }, {}, 3);
    assert.ok(types(stalled).includes("Stalled True"));
    assert.equal(stalled.observedGeneration, 3);
    assert.ok(!types(status("VaultConnection", { error: ERROR }, stalled)).includes("Stalled True"));
  });

  it("kubernetes-rules 15: keeps what others say, and moves a time only with the status value", () => {
    const foreign = { type: "Foreign", status: "True", reason: "x", message: "" };
    const first = status("VaultAuth", {}, { specHash: "of-vso", conditions: [foreign] });
    assert.equal(first.specHash, "of-vso");
    assert.deepEqual((first.conditions as JsonObject[])[0], foreign);
    assert.deepEqual(status("VaultAuth", {}, first, 1, NOW + 60_000), first);
    const next = status("VaultAuth", {}, first, 2, NOW + 60_000);
    const ready = (next.conditions as JsonObject[]).find(({ type }) => type === "Ready");
    assert.equal(ready?.observedGeneration, 2, "kubernetes-rules 16");
    assert.equal(ready?.lastTransitionTime, "2026-01-01T00:00:00Z");
  });

  it("events have VSO's reasons, and a SecretTransformation only complains", () => {
    assert.deepEqual(referenceEvent("VaultAuth", { error: ERROR })?.reason, "Accepted");
    assert.equal(referenceEvent("VaultAuth", { error: ERROR })?.type, "Warning");
    assert.equal(referenceEvent("VaultConnection", { error: ERROR, isAsked: true })?.reason, "VaultClientError");
    assert.equal(referenceEvent("VaultConnection", { error: ERROR })?.reason, "InvalidConfiguration");
    assert.equal(referenceEvent("SecretTransformation", {}), undefined);
    assert.deepEqual(referenceEvent("SecretTransformation", { error: ERROR }), {
      ...{ type: "Warning", reason: "InvalidConfiguration" },
      message: "REFERENCE_MISSING: VaultConnection a/b was not found",
    });
  });
});
