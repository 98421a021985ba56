import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { annotations, aSecret, held, versions, writes } from "../../world/pushing.ts";
import { base64 } from "../../world/views.ts";
import { aPushSecret, aWorldOfPushSecrets, conditionsOf, failureOf, ONE, PATH, statusOf, told } from "./scene.ts";

describe("templates", () => {
  const TEMPLATE = "apps/{namespace}/{labels.app.kubernetes.io/part-of}/{name}";
  const labels = { "app.kubernetes.io/part-of": "billing" };

  it("make the path of cluster, namespace, name and labels, and a changed label moves it", async () => {
    await using world = await aWorldOfPushSecrets();
    await world.given(aPushSecret("app", { labels, destination: { mount: "kv", path: TEMPLATE } }));
    await world.advance("1m");
    assert.deepEqual(await held(world, "apps/shop/billing/app"), ONE);
    await world.edit("VaultPushSecret", "app", {
      metadata: { labels: { "app.kubernetes.io/part-of": "payments" } },
    });
    await world.advance("1m");
    assert.deepEqual(await held(world, "apps/shop/payments/app"), ONE);
    assert.equal(await held(world, "apps/shop/billing/app"), undefined);
  });

  it("complain about a missing label, an unknown placeholder and lonely braces, all at once", async () => {
    await using world = await aWorldOfPushSecrets();
    const path = "apps/{namespace}/{labels.team}/{uid}/}";
    await world.given(aPushSecret("app", { destination: { mount: "kv", path } }));
    await world.advance("1m");
    const failure = await failureOf(world);
    for (const says of [/needs the label team, which is missing/, /must not have \{uid\}/, /only around a placeholder/])
      assert.match(failure, says);
    await world.edit("VaultPushSecret", "app", { metadata: { labels: { team: "a" } } });
    await world.advance("1m");
    assert.doesNotMatch(await failureOf(world), /needs the label/);
    assert.equal(writes(world), 0);
  });

  const outside: Readonly<Record<string, readonly [path: string, label: string, says: RegExp]>> = {
    "another namespace": ["apps/{labels.to}/app", "pay", /PUSH_NOT_ALLOWED: .*does not allow kv\/apps\/pay\/app/],
    "a segment less": ["apps/{labels.to}", "shop", /PUSH_NOT_ALLOWED: .*does not allow kv\/apps\/shop/],
    "data/, which is left out": ["{labels.to}/apps/pay/app", "data", /PUSH_NOT_ALLOWED: .*kv\/apps\/pay\/app/],
  };
  for (const [what, [path, label, says]] of Object.entries(outside)) {
    it(`can't reach ${what} by a label`, async () => {
      await using world = await aWorldOfPushSecrets();
      await world.given(aPushSecret("app", { labels: { to: label }, destination: { mount: "kv", path } }));
      await world.advance("1m");
      assert.match(await failureOf(world), says);
      assert.equal(writes(world), 0);
    });
  }
});

describe("what a VaultPushSecret may not do", () => {
  const refused: Readonly<Record<string, readonly [spec: object, says: RegExp]>> = {
    "another namespace's path": [
      { destination: { mount: "kv", path: "apps/pay/app" } },
      /PUSH_NOT_ALLOWED: .*does not allow kv\/apps\/pay\/app.*delete the VaultPushSecret/,
    ],
    "a path that climbs": [
      { destination: { mount: "kv", path: "apps/shop/../pay/app" } },
      /SPEC_INVALID: .*spec\.destination\.path: must not have a segment that is/,
    ],
    "percent escapes": [
      { destination: { mount: "kv", path: "apps/shop/%2e%2e/x" } },
      /SPEC_INVALID: .*spec\.destination\.path: must not contain %/,
    ],
    "Vault's own mounts": [
      { destination: { mount: "sys", path: "policies/acl/x" } },
      /SPEC_INVALID: .*spec\.destination\.mount: must not be below sys\//,
    ],
    "a placeholder in the mount": [
      { destination: { mount: "{labels.mount}", path: PATH } },
      /SPEC_INVALID: .*spec\.destination\.mount: must have no placeholders/,
    ],
    "a mount that is the beginning of a path": [
      { destination: { mount: "kv/apps", path: "shop/app" } },
      /VAULT_ANSWER_INVALID: .*the path is in mount kv/,
    ],
    "another version of kv": [
      { destination: { mount: "kv", path: PATH, type: "kv-v1" } },
      /VAULT_ANSWER_INVALID: .*type is kv-v1, but mount kv is kv-v2/,
    ],
    "more conflict than fleet.yaml": [
      { conflict: "adopt" },
      /SPEC_INVALID: .*spec\.conflict: is more than fleet\.yaml allows a VaultPushSecret at most .*: fail/,
    ],
    "more deletion than fleet.yaml": [{ deletion: "metadata" }, /SPEC_INVALID: .*spec\.deletion: is more than/],
    "a login that fleet.yaml does not name": [
      { identity: "root" },
      /SPEC_INVALID: .*spec\.identity: is not the name of one of push\.choices\.identities/,
    ],
  };
  for (const [what, [spec, says]] of Object.entries(refused)) {
    it(`${what}: an event and the status say so, and nothing is written`, async () => {
      await using world = await aWorldOfPushSecrets();
      await world.given(aPushSecret("app", spec as Record<string, unknown>));
      await world.advance("1m");
      assert.match(await failureOf(world), says);
      assert.match(told(world), says);
      assert.equal(conditionsOf(statusOf(world)).Ready, "False");
      assert.equal(writes(world), 0);
    });
  }

  it("complaints come all at once, with unknown fields, and quote no value", async () => {
    await using world = await aWorldOfPushSecrets();
    const sources = [
      { secretRef: { name: "No Name" }, keys: [{ key: "a b" }] },
      { secretRef: { name: "db", namespace: "kube-system" } },
    ];
    const spec = { sources, reconcile: "1d", conflict: "hidden-value", more: 1, destination: { mount: "kv" } };
    await world.given(aPushSecret("app", spec));
    await world.advance("1m");
    const failure = await failureOf(world);
    for (const part of [
      "spec.sources[0].secretRef.name",
      "spec.sources[0].keys[0].key",
      "spec.sources[1].secretRef.namespace: unknown field",
      "spec.reconcile",
      "spec.conflict",
      "spec.more: unknown field",
      "spec.destination.path: required",
    ]) {
      assert.ok(failure.includes(part), `${part} in ${failure}`);
    }
    assert.doesNotMatch(failure, /hidden-value|No Name/);
  });

  it("two keys for one field are refused, named or found", async () => {
    await using world = await aWorldOfPushSecrets();
    await world.given(aSecret("api", { user: "other" }));
    const named = [
      { secretRef: { name: "db" }, keys: [{ key: "user" }, { key: "user" }] },
      { secretRef: { name: "api" }, keys: [{ key: "token", field: "user" }] },
    ];
    await world.given(aPushSecret("named", { sources: named }));
    const whole = [{ secretRef: { name: "db" } }, { secretRef: { name: "api" } }];
    await world.given(aPushSecret("whole", { sources: whole }));
    await world.advance("1m");
    assert.match(await failureOf(world, "named"), /keys\[1\]: names a key .*sources\[1\]\.keys\[0\]: becomes the same/);
    assert.match(await failureOf(world, "whole"), /SECRET_REFUSED: .*Secrets shop\/db and shop\/api both have user/);
    assert.equal(writes(world), 0);
    await world.edit("Secret", "api", { data: { user: null, token: base64("t") } });
    await world.advance("1m");
    assert.equal((await held(world, PATH))?.token, "t");
  });

  it("a path of another resource or annotated object is refused until that goes", async () => {
    await using world = await aWorldOfPushSecrets();
    await world.given(aPushSecret("first"));
    await world.advance("1m");
    await world.given(aPushSecret("second"));
    await world.given(aSecret("third", { a: "1" }, { annotations: annotations({ path: `kv/${PATH}` }) }));
    await world.advance("1m");
    assert.match(await failureOf(world, "second"), /PATH_TAKEN/);
    assert.match(
      world.condition("second", "Ready", "VaultPushSecret"),
      /False: PATH_TAKEN: .*VaultPushSecret shop\/first/,
    );
    assert.match(told(world, "second"), /PATH_TAKEN/);
    assert.equal((await world.row("third", "Secret"))?.state.error?.code, "PATH_TAKEN");
    assert.equal(versions(world, PATH), 1);
    await world.remove("Secret", "third");
    await world.remove("VaultPushSecret", "first");
    await world.advance("2m");
    assert.deepEqual(await held(world, PATH), ONE);
  });

  it("without its kind in push.kinds nothing is followed, and what was pushed stays when the kind leaves", async () => {
    await using world = await aWorldOfPushSecrets({ kinds: ["Secret"] });
    await world.given(aPushSecret());
    await world.advance("2m");
    assert.equal(await world.row("app", "VaultPushSecret"), undefined);
    const kinds = (all: readonly ("Secret" | "VaultPushSecret")[]) => {
      world.crash();
      world.fleet((clusters) =>
        clusters.map((one) => (one.push ? { ...one, push: { ...one.push, kinds: all } } : one)),
      );
      world.start();
    };
    kinds(["VaultPushSecret"]);
    await world.advance("3m");
    assert.deepEqual(await held(world, PATH), ONE);
    kinds(["Secret"]);
    await world.advance("3m");
    assert.deepEqual([await held(world, PATH), await world.row("app", "VaultPushSecret")], [ONE, undefined]);
  });

  it("what another program copied is not pushed, unless pushSynced says so", async () => {
    await using world = await aWorldOfPushSecrets();
    const copied = aSecret("copy", { a: "1" }, { labels: { "app.kubernetes.io/managed-by": "hashicorp-vso" } });
    await world.given(copied, aPushSecret("app", { sources: [{ secretRef: { name: "copy" } }] }));
    await world.advance("1m");
    assert.match(await failureOf(world), /SECRET_IS_SYNCED: .*set spec\.pushSynced: true/);
    await world.edit("VaultPushSecret", "app", { spec: { pushSynced: true } });
    await world.advance("1m");
    assert.deepEqual(await held(world, PATH), { a: "1" });
  });
});
