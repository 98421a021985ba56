import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "../../lib/util/json.ts";
import { API, aDeployment, NAMESPACE } from "./world/builders.ts";
import { handover, metadataOf, statusOf } from "./world/handing-over.ts";
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

/** Adds conditions to the resource's status, as VSO writes them. */
async function tell(world: World, name: string, ...told: readonly object[]): Promise<void> {
  const { conditions, lastGeneration: observedGeneration } = statusOf(world, name, DYNAMIC) as JsonObject;
  const about = { observedGeneration, lastTransitionTime: "2029-06-01T00:00:00Z" };
  const all = [...(conditions as JsonObject[]), ...told.map((one) => ({ ...one, ...about }))];
  const path = `/apis/${API}/namespaces/${NAMESPACE}/vaultdynamicsecrets/${name}/status?fieldManager=manager`;
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
    await tell(world, "db", NOT_RENEWED, FAILED_RESTART, { ...NOT_RENEWED, type: "Foreign" });
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
