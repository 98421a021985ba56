import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { operatorGuard } from "../../../lib/discovery/operator-guard.ts";
import type { OperatorSeen } from "../../../lib/ports/store.ts";
import { type KindRef, VAULT_AUTH, VAULT_CONNECTION, VAULT_STATIC_SECRET } from "../../../lib/resource-kinds.ts";
import { aCluster } from "../../builders.ts";

const OPERATOR: OperatorSeen = { name: "vso", first: "uid-1" };
const { signal } = new AbortController();

/** A namespace of the operator whose uid anyone may change, and how often it was asked for. */
function scene(operator = OPERATOR) {
  const world = { uid: "uid-1" as string | undefined, asked: 0, warned: 0 };
  const clusters = {
    async namespaceUid(cluster: string, namespace: string) {
      assert.deepEqual([cluster, namespace], ["east", "vso"]);
      world.asked += 1;
      return world.uid;
    },
  };
  const deps = { clusters, log: { warn: () => world.warned++ } };
  const guard = operatorGuard(deps as unknown as Parameters<typeof operatorGuard>[0], aCluster(), operator);
  const appears = async (uid: string, kind: KindRef = VAULT_AUTH, namespace = "vso"): Promise<boolean> => {
    const object = { uid, namespace } as Parameters<typeof guard.isStranger>[0] & { readonly uid: string };
    await guard.check(kind, [object as never], signal);
    return guard.isStranger(object);
  };
  return { world, appears };
}

describe("an object that appears in the operator namespace", () => {
  it("has no powers once the namespace is another one, and the log says so", async () => {
    const { world, appears } = scene();
    world.uid = "uid-2";
    assert.equal(await appears("a"), true);
    assert.deepEqual([world.asked, world.warned], [1, 1]);
    assert.equal(await appears("b", VAULT_AUTH, "shop"), false, "elsewhere nothing has these powers anyway");
    world.uid = "uid-1";
    assert.equal(await appears("c"), true, "what was replaced once stays without powers for this watch pass");
    assert.equal(world.asked, 1);
  });

  it("nor once the namespace is gone", async () => {
    const { world, appears } = scene();
    world.uid = undefined;
    assert.equal(await appears("a"), true);
  });

  it("keeps them while it is the same one, or its uid may not be read", async () => {
    const { world, appears } = scene();
    assert.equal(await appears("a"), false);
    world.uid = "";
    assert.equal(await appears("b"), false);
    assert.deepEqual([world.asked, world.warned], [2, 0]);
  });

  it("costs no request when it is known, elsewhere, or of a kind without powers", async () => {
    const { world, appears } = scene();
    await appears("other", VAULT_AUTH, "shop");
    await appears("sync", VAULT_STATIC_SECRET);
    assert.equal(world.asked, 0);
    await appears("new", VAULT_CONNECTION);
    await appears("next");
    assert.equal(world.asked, 2);
    await appears("new");
    await appears("next");
    assert.equal(world.asked, 2);
  });

  it("is judged by an answer from after it was seen, however recent the one before is", async () => {
    const { world, appears } = scene();
    assert.equal(await appears("a"), false);
    world.uid = "uid-2";
    assert.equal(await appears("b"), true);
  });

  it("has none from the start where the namespace has none, which costs nothing to know", async () => {
    const { world, appears } = scene({ ...OPERATOR, without: "another" } as unknown as OperatorSeen);
    assert.equal(await appears("a"), true);
    assert.equal(world.asked, 0);
  });
});
