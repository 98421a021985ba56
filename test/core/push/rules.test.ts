import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aDynamicSecret, aStaticSecret } from "../world/builders.ts";
import { annotations, aPushed, aPushingWorld, aSecret, held, versions, writes } from "../world/pushing.ts";
import { base64 } from "../world/views.ts";
import type { World } from "../world/world.ts";

const PATH = "apps/shop/app";

async function failureOf(world: World, kind = "Deployment", name = "app"): Promise<string> {
  const { code, message } = (await world.row(name, kind))?.state.error ?? {};
  return `${code}: ${message}`;
}

function told(world: World, name = "app"): string {
  return world
    .events(name)
    .map(({ message }) => message)
    .join("\n");
}

describe("what fleet.yaml does not allow is never written", () => {
  const refused: Readonly<Record<string, readonly [path: string, says: RegExp]>> = {
    "a path outside of the patterns": ["kv/apps/pay/app", /PUSH_NOT_ALLOWED: .*does not allow kv\/apps\/pay\/app/],
    "a mount without patterns": ["database/apps/shop/x", /PUSH_NOT_ALLOWED: .*has no path in that mount/],
    "a path that climbs": ["kv/apps/shop/../pay/x", /SPEC_INVALID: .*segment that is \. or \.\./],
    "Vault's own paths": ["sys/policies/acl/x", /SPEC_INVALID: .*must not be below sys\//],
    "percent escapes": ["kv/apps/shop/%2e%2e/x", /SPEC_INVALID: .*must not contain %/],
    "a query": ["kv/apps/shop/x?version=1", /SPEC_INVALID: .*must not contain \? or #/],
  };
  for (const [what, [path, says]] of Object.entries(refused)) {
    it(`${what} is refused, and an event says so`, async () => {
      await using world = await aPushingWorld();
      await world.given(aSecret(), aPushed({ path }));
      await world.advance("1m");
      assert.match(await failureOf(world), says);
      assert.match(told(world), says);
      assert.equal(writes(world), 0);
    });
  }

  it("without push nothing is followed, and with other kinds and namespaces the object says why", async () => {
    await using world = await aPushingWorld({ namespaces: { include: ["team-*"], exclude: [] } });
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}` }));
    await world.advance("1m");
    assert.match(told(world), /PUSH_NOT_ALLOWED: .*leaves out namespace shop/);
    assert.equal(writes(world), 0);
  });

  it("what is allowed later is pushed then", async () => {
    await using world = await aPushingWorld({ paths: ["kv/other/{name}"] });
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}` }));
    await world.advance("1m");
    world.fleet((all) =>
      all.map((one) => (one.push ? { ...one, push: { ...one.push, paths: ["kv/apps/{namespace}/*/*"] } } : one)),
    );
    await world.advance("3m");
    assert.equal((await held(world, `${PATH}/db`))?.user, "app");
  });

  it("the prefix of the cluster comes after the mount, and counts for the patterns", async () => {
    await using world = await aPushingWorld({ prefix: "cluster", paths: ["kv/clusters/{cluster}/apps/**"] });
    await world.vault.writePolicy("push", 'path "kv/data/clusters/*" { capabilities = ["create", "read", "update"] }');
    await world.given(aSecret(), aPushed({ path: `kv/data/${PATH}` }));
    await world.advance("1m");
    assert.equal((await held(world, `clusters/east/${PATH}/db`))?.user, "app");
    assert.equal((await world.row("app", "Deployment"))?.state.place?.path, `kv/clusters/east/${PATH}`);
  });
});

describe("complaints", () => {
  it("all come at once, each with its annotation", async () => {
    await using world = await aPushingWorld();
    const secrets = '[{"name":"db","keys":["a","b"]},{"name":"api","keys":["a"]},{"keys":7}]';
    await world.given(aSecret(), aPushed({ path: "kv//x", secrets, reconcile: "1d" }));
    await world.advance("1m");
    const failure = await failureOf(world);
    for (const part of ["vault-sync.io/path", "vault-sync.io/secrets", "[2].name: required", "[2].keys", "reconcile"]) {
      assert.ok(failure.includes(part), `${part} in ${failure}`);
    }
  });

  it("an annotation that names no key is one, so that what was pushed stays until it is corrected", async () => {
    const named = (entries: unknown) => ({ annotations: annotations({ secrets: JSON.stringify(entries) }) });
    for (const wrong of [[{ name: "db", key: ["user", "password"] }], [{ name: "db", keys: null }], [], null]) {
      await using world = await aPushingWorld({ deletion: "metadata" });
      await world.given(aSecret(), aPushed({ path: `kv/${PATH}`, secrets: '[{"name":"db","keys":["user"]}]' }));
      await world.advance("1m");
      await world.edit("Deployment", "app", { metadata: named(wrong) });
      await world.advance("2m");
      assert.match(
        await failureOf(world),
        /SPEC_INVALID: .*vault-sync\.io\/secrets.* names no key/,
        JSON.stringify(wrong),
      );
      assert.match(told(world), /names no key/);
      assert.deepEqual([await held(world, PATH), versions(world, PATH)], [{ user: "app" }, 1]);
      await world.edit("Deployment", "app", { metadata: named([{ name: "db", keys: ["user", "password"] }]) });
      await world.advance("2m");
      assert.deepEqual([await held(world, PATH), versions(world, PATH)], [{ user: "app", password: "one" }, 2]);
    }
  });

  it("missing Secrets and keys are named together, with the keys that there are, and a new Secret ends it", async () => {
    await using world = await aPushingWorld();
    const secrets = '[{"name":"db","keys":["user","pass"]},{"name":"api","keys":["token"]}]';
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}`, secrets }));
    await world.advance("1m");
    assert.match(
      await failureOf(world),
      /SOURCE_MISSING: .*Secret shop\/db has no key pass \(it has password, user\); Secret shop\/api does not exist/,
    );
    assert.equal(writes(world), 0);
    await world.given(aSecret("db", { user: "u", pass: "p" }), aSecret("api", { token: "t" }));
    await world.advance("3s");
    assert.deepEqual(await held(world, PATH), { user: "u", pass: "p", token: "t" });
  });

  it("a short interval counts as 30 s, and rotation-check: disabled does nothing: both with a warning", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}`, reconcile: "5s", "rotation-check": "disabled" }));
    await world.advance("1m");
    assert.match(told(world), /counts as 30s/);
    assert.match(told(world), /rotation-check has no effect/);
    const before = writes(world);
    const costs = await world.counting(() => world.advance("5m"));
    assert.ok(costs.reads <= 13, `${costs.reads} reads`);
    assert.equal(writes(world), before);
  });

  it("a member of an entry that means nothing is a warning, and the others count", async () => {
    await using world = await aPushingWorld();
    const secrets = '[{"name":"db","keys":["user"]},{"name":"db","key":["password"]}]';
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}`, secrets }));
    await world.advance("1m");
    assert.match(told(world), /vault-sync\.io\/secrets has members without effect at \[1\]/);
    assert.deepEqual(await held(world, PATH), { user: "app" });
  });

  it("1 MiB is too large, and Vault is not asked to write it", async () => {
    await using world = await aPushingWorld();
    const data = { big: Buffer.alloc(1_048_000, 0xff) };
    await world.given(aSecret("db", data, { annotations: annotations({ path: "kv/apps/shop/db" }) }));
    await world.advance("1m");
    assert.match(await failureOf(world, "Secret", "db"), /SECRET_TOO_LARGE/);
    assert.equal(writes(world), 0);
  });
});

describe("sources", () => {
  it("mountedOnly: a named Secret that the pod template does not mount is refused", async () => {
    await using world = await aPushingWorld({ mountedOnly: true });
    const secrets = '[{"name":"root","keys":["a"]}]';
    await world.given(aSecret(), aSecret("root", { a: "1" }), aPushed({ path: `kv/${PATH}`, secrets }));
    await world.advance("1m");
    assert.match(await failureOf(world), /Secret root is not mounted/);
    assert.equal(writes(world), 0);
  });

  it("an optional Secret may be missing, and is pushed when it comes", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}` }, ["db", "more?"]));
    await world.advance("1m");
    const costs = await world.counting(() => world.advance("30m"));
    assert.deepEqual([costs.claims, (await held(world, `${PATH}/db`))?.user], [0, "app"]);
    await world.given(aSecret("more", { a: "1" }));
    await world.advance("3s");
    assert.deepEqual(await held(world, `${PATH}/more`), { a: "1" });
  });

  it("poll: a changed Secret is noticed by the next poll, without a watch on Secrets", async () => {
    await using world = await aPushingWorld({ secrets: "poll", kinds: ["Deployment"], pollEvery: "1m" });
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}` }));
    await world.advance("1m");
    await world.edit("Secret", "db", { data: { password: base64("two") } });
    await world.advance("2m");
    assert.equal((await held(world, `${PATH}/db`))?.password, "two");
    const before = await world.counting(() => world.advance("10m"));
    assert.deepEqual([before.reads, before.claims], [0, 0]);
  });
});

describe("imagePullSecrets, switched in fleet.yaml", () => {
  const anApp = (short: Readonly<Record<string, string>>) => {
    const app = structuredClone(aPushed(short)) as ReturnType<typeof aPushed> & {
      readonly spec: { readonly template: { readonly spec: Record<string, unknown> } };
    };
    app.spec.template.spec.imagePullSecrets = [{ name: "pull" }];
    return app;
  };
  const restart = (world: World) => {
    world.crash();
    world.start();
    return world.advance("10m");
  };
  const turn = (world: World, imagePullSecrets: boolean) => {
    world.fleet((all) => all.map((one) => (one.push ? { ...one, push: { ...one.push, imagePullSecrets } } : one)));
    return restart(world);
  };

  for (const isOn of [true, false]) {
    it(`counts ${isOn ? "" : "no more "}for workloads that are there, and a start writes nothing then`, async () => {
      await using world = await aPushingWorld({ imagePullSecrets: !isOn });
      await world.given(aSecret(), aSecret("pull", { token: "t" }), anApp({ path: `kv/${PATH}` }));
      await world.advance("1m");
      assert.equal((await held(world, `${PATH}/pull`))?.token, isOn ? undefined : "t");
      await turn(world, isOn);
      assert.equal((await held(world, `${PATH}/pull`))?.token, isOn ? "t" : undefined);
      const [before, row] = [writes(world), await world.row("app", "Deployment")];
      await restart(world);
      assert.deepEqual([writes(world), (await world.row("app", "Deployment"))?.fence], [before, row?.fence]);
    });
  }

  it("lets a workload push its pull secret, with mountedOnly", async () => {
    await using world = await aPushingWorld({ mountedOnly: true });
    const secrets = '[{"name":"pull","keys":["token"]}]';
    await world.given(aSecret("pull", { token: "t" }), anApp({ path: `kv/${PATH}`, secrets }));
    await world.advance("1m");
    assert.match(await failureOf(world), /is not mounted/);
    await turn(world, true);
    assert.deepEqual(await held(world, PATH), { token: "t" });
  });
});

describe("loops", () => {
  it("a Secret that keyferry wrote is not pushed, unless told so, and then only where no sync reads", async () => {
    await using world = await aPushingWorld();
    await world.given({ vault: "src", data: { a: "1" } }, aStaticSecret("copy", { path: "src" }));
    await world.advance("10s");
    await world.given(aPushed({ path: `kv/${PATH}` }, ["copy"]));
    await world.advance("1m");
    assert.match(await failureOf(world), /SECRET_IS_SYNCED: Secret shop\/copy/);
    await world.edit("Deployment", "app", {
      metadata: { annotations: annotations({ "keyferry.dev/push-synced": "true" }) },
    });
    await world.advance("1m");
    assert.equal((await held(world, `${PATH}/copy`))?.a, "1");
    await world.given(aStaticSecret("back", { path: `${PATH}/copy` }));
    await world.advance("10s");
    await world.edit("Deployment", "app", { metadata: { annotations: annotations({ reconcile: "1m" }) } });
    await world.advance("1m");
    assert.match(await failureOf(world), /SECRET_IS_SYNCED: .*syncs read kv\/apps\/shop\/app\/copy/);
  });

  it("a VaultDynamicSecret that reads the path with data/ is a way back", async () => {
    await using world = await aPushingWorld();
    await world.given({ vault: "src", data: { a: "1" } }, aStaticSecret("copy", { path: "src" }));
    await world.given(aDynamicSecret("back", { mount: "kv", path: `data/${PATH}/copy` }));
    await world.advance("1m");
    await world.given(aPushed({ path: `kv/${PATH}`, "keyferry.dev/push-synced": "true" }, ["copy"]));
    await world.advance("1m");
    assert.match(await failureOf(world), /SECRET_IS_SYNCED: .*syncs read kv\/apps\/shop\/app\/copy/);
  });
});
