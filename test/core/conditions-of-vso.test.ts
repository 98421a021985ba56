import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "../../lib/util/json.ts";
import type { ClusterSurvey } from "../../lib/vso/handover/hand-over.ts";
import { API, aDeployment, aStaticSecret, NAMESPACE } from "./world/builders.ts";
import { handover, macOf, metadataOf, STATIC, statusOf, synced } from "./world/handing-over.ts";
import { anIssuingWorld, DYNAMIC } from "./world/issuing.ts";
import { anOldVso } from "./world/vso.ts";
import type { World } from "./world/world.ts";

const FAILED_RESTART = {
  type: "RolloutRestart",
  status: "False",
  reason: "RolloutRestartTriggeredFailed",
  message: 'Rollout restart failed: deployments.apps "app" not found',
};
const NOT_RENEWED = {
  type: "LeaseRenewal",
  status: "False",
  reason: "SecretLeaseRenewalError",
  message: "Not in renewal window after transitioning to a new leader/pod",
};

/** Adds conditions to the resource's status, as another program does. */
async function tell(world: World, kind: string, name: string, ...told: readonly object[]): Promise<void> {
  const { conditions, lastGeneration: observedGeneration } = statusOf(world, name, kind) as JsonObject;
  const about = { observedGeneration, lastTransitionTime: "2029-06-01T00:00:00Z" };
  const all = [...(conditions as JsonObject[]), ...told.map((one) => ({ ...one, ...about }))];
  const path = `/apis/${API}/namespaces/${NAMESPACE}/${kind.toLowerCase()}s/${name}/status?fieldManager=manager`;
  const contentType = "application/merge-patch+json";
  const { status, text } = await world
    .cluster()
    .request("PATCH", path, { status: { conditions: all } }, { contentType });
  assert.equal(status, 200, text);
}

describe("conditions that Vault Secrets Operator left", () => {
  it("kubernetes-rules 15: go with the take-over where keyferry would never change them, and hinder no handover", async () => {
    await using world = await anIssuingWorld({ isAsleep: true });
    await world.given(aDeployment("app"));
    const vso = await anOldVso(world);
    await vso.leaveDynamic("db", { rolloutRestartTargets: [{ kind: "Deployment", name: "app" }] });
    await vso.storeToken();
    await tell(world, DYNAMIC, "db", NOT_RENEWED, FAILED_RESTART, { ...NOT_RENEWED, type: "Foreign" });
    world.start();
    await world.advance("1m");
    for (const type of ["LeaseRenewal", "RolloutRestart"]) assert.equal(world.condition("db", type, DYNAMIC), "none");
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
    assert.match(world.condition("db", "Foreign", DYNAMIC), /^False/);
    const { syncs } = await handover(world).survey();
    assert.deepEqual(
      syncs.map(({ complaints }) => complaints),
      [[]],
    );
    const { resourceVersion } = metadataOf(world, "db", DYNAMIC);
    await world.advance("20m");
    assert.equal(metadataOf(world, "db", DYNAMIC).resourceVersion, resourceVersion);
  });
});

describe("conditions that Vault Secrets Operator does not know", () => {
  const typesOf = (world: World) => statusOf(world, "db").conditions.map(({ type }: JsonObject) => type);
  const open = ({ syncs }: ClusterSurvey) =>
    syncs.map(({ change, needsMac, hasOwnConditions }) => [change !== undefined, needsMac, hasOwnConditions]);

  it("kubernetes-rules 21: go with a handover by force: a parked declaration is not stalled for ever", async () => {
    await using world = await synced(aStaticSecret());
    await world.edit(STATIC, "db", { spec: { path: "shop//db" } });
    await world.advance("1m");
    assert.match(world.condition("db", "Stalled"), /^True: SPEC_INVALID/);
    const { survey, give } = handover(world);
    assert.deepEqual(open(await survey({ force: true })), [[true, false, true]]);
    await give({ force: true });
    await world.advance("5m");
    assert.deepEqual(typesOf(world), ["SecretSynced", "Healthy", "Ready"]);
    assert.deepEqual(open(await survey({ force: true })), [[false, false, false]]);
  });

  it("kubernetes-rules 21: go with any other handover, beside the MAC, once; those of others stay", async () => {
    await using world = await synced(aStaticSecret());
    world.crash();
    const told = (type: string) => ({ type, status: "False", reason: "x", message: "" });
    await tell(world, STATIC, "db", told("InstantUpdates"), told("Foreign"));
    const { survey, give } = handover(world);
    assert.deepEqual(open(await survey()), [[true, true, true]]);
    await give();
    assert.deepEqual(typesOf(world), ["SecretSynced", "Healthy", "Ready", "Foreign"]);
    assert.equal(statusOf(world, "db").secretMAC, macOf(world, "db"));
    const { resourceVersion } = metadataOf(world, "db");
    await give();
    assert.equal(metadataOf(world, "db").resourceVersion, resourceVersion);
    await tell(world, STATIC, "db", told("InstantUpdates"));
    assert.deepEqual(open(await survey()), [[false, false, true]], "one that was interrupted");
    await give();
    assert.deepEqual(typesOf(world), ["SecretSynced", "Healthy", "Ready", "Foreign"]);
  });
});
