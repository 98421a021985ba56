import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KubeCall } from "../../lib/kubernetes/kube-call.ts";
import { aStaticSecret, aVaultSecret } from "./world/builders.ts";
import { aWorld, type World } from "./world/world.ts";

const TYPE = "kubernetes.io/basic-auth";
const DATA = { username: "app", password: "one" };

async function synced(): Promise<World> {
  const world = await aWorld();
  const destination = { transformation: { excludeRaw: true } };
  await world.given(aVaultSecret("db", DATA), aStaticSecret("db", { destination }));
  await world.advance("10s");
  assert.deepEqual([world.secret("db")?.type, world.secret("db")?.data], ["Opaque", DATA]);
  return world;
}

const retype = (world: World) => world.edit("VaultStaticSecret", "db", { spec: { destination: { type: TYPE } } });

/** Answers each creation of a Secret like this, if at all: an update is validated first, and refused for its type. */
function answerCreations(
  world: World,
  answer: (call: KubeCall) => { code: number; message: string } | undefined,
): void {
  const cluster = world.cluster();
  const kind = cluster.server.kindOf("v1", "Secret") ?? assert.fail();
  cluster.fault = (call) => {
    const { verb, namespace = "", name = "" } = call;
    if (verb !== "patch" || call.kind.resource !== "secrets") return undefined;
    const refused = cluster.server.objects.get(kind, namespace, name) ? undefined : answer(call);
    const status = { kind: "Status", apiVersion: "v1", status: "Failure", reason: "Forbidden" };
    const body = { ...status, ...refused, details: { kind: "secrets", name } };
    return refused && { http: refused.code, body };
  };
}

describe("kubernetes-rules 13: another type of a Secret, which must be deleted and created for it", () => {
  it("that admission denies: the Secret stays as it is, until it is admitted", async () => {
    await using world = await synced();
    const before = world.secret("db");
    const message = 'admission webhook "policy.example.com" denied the request: no';
    answerCreations(world, () => ({ code: 400, message }));
    await retype(world);
    await world.advance("5m");
    assert.deepEqual(world.secret("db"), before);
    assert.match(world.condition("db"), /^False: ADMISSION_DENIED: the admission webhook policy\.example\.com denies /);
    world.cluster().fault = undefined;
    await world.advance("5m");
    assert.deepEqual([world.secret("db")?.type, world.secret("db")?.data], [TYPE, DATA]);
    assert.match(world.condition("db"), /^True/);
  });

  it("in a namespace whose quota is used up is made all the same, since the deletion makes room", async () => {
    await using world = await synced();
    const message = 'secrets "db" is forbidden: exceeded quota: q, requested: count/secrets=1';
    let roomAt: number | undefined;
    answerCreations(world, ({ query }) => {
      const isTried = query?.dryRun !== undefined;
      if (!isTried) roomAt ??= world.time.now() + 500;
      return isTried || world.time.now() < (roomAt ?? 0) ? { code: 403, message } : undefined;
    });
    await retype(world);
    await world.advance("1m");
    assert.notEqual(roomAt, undefined);
    assert.deepEqual([world.secret("db")?.type, world.secret("db")?.data], [TYPE, DATA]);
  });

  it("is made where keyferry may write Secrets of certain names only", async () => {
    await using world = await synced();
    answerCreations(world, ({ name }) => (name === "db" ? undefined : { code: 403, message: "of the role" }));
    await retype(world);
    await world.advance("10s");
    assert.deepEqual([world.secret("db")?.type, world.secret("db")?.data], [TYPE, DATA]);
  });
});
