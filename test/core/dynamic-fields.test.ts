import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aDeployment, aVaultAuth } from "./world/builders.ts";
import { aDynamicSecret, anIssuingWorld, askedOf, DYNAMIC, logsIn, restarts, statusOf } from "./world/issuing.ts";
import { base64 } from "./world/views.ts";
import { START, type World } from "./world/world.ts";

/** Tokens of service accounts: their leases can't be renewed, and the request says for which namespace and how long. */
const ofKubernetes = {
  mount: "kubernetes",
  path: "creds/robot",
  params: { kubernetes_namespace: "shop", ttl: "100s" },
};

async function aKubernetesWorld(): Promise<World> {
  const world = await anIssuingWorld();
  await world.vault.putKubernetesRole("robot", { ttl: "1h" });
  return world;
}

describe("the request of a VaultDynamicSecret", () => {
  it("is a GET of mount and path, with the login of its vaultAuthRef", async () => {
    await using world = await anIssuingWorld();
    const asked = await askedOf(world, async () => {
      await world.given(aVaultAuth("mine"), aDynamicSecret("db", { vaultAuthRef: "mine" }));
      await world.given(aDynamicSecret("lost", { vaultAuthRef: "nobody" }));
      await world.advance("5s");
    });
    assert.equal(asked["read database/creds/app"], 1);
    assert.equal(await logsIn(world), true);
    assert.match(world.condition("lost", "Ready", DYNAMIC), /^False: REFERENCE_MISSING/);
  });

  it("sends params as a body, and other ones issue anew", async () => {
    await using world = await aKubernetesWorld();
    const asked = await askedOf(world, async () => {
      await world.given(aDynamicSecret("robot", ofKubernetes));
      await world.advance("5s");
    });
    assert.equal(asked["update kubernetes/creds/robot"], 1);
    const first = world.secret("robot")?.data;
    assert.equal(first?.service_account_namespace, "shop");
    const params = { kubernetes_namespace: "other", ttl: "100s" };
    await world.given(aDynamicSecret("robot", { ...ofKubernetes, params }));
    await world.advance("5s");
    assert.equal(world.secret("robot")?.data.service_account_namespace, "other");
    assert.notEqual(world.secret("robot")?.data.service_account_token, first?.service_account_token);
  });

  it("is a POST for the methods POST and PUT, also without params", async () => {
    await using world = await aKubernetesWorld();
    for (const requestHTTPMethod of ["POST", "PUT"]) {
      const asked = await askedOf(world, async () => {
        const name = requestHTTPMethod.toLowerCase();
        await world.given(aDynamicSecret(name, { mount: "kubernetes", path: "creds/robot", requestHTTPMethod }));
        await world.advance("5s");
        assert.notEqual(world.secret(name)?.data.service_account_token, undefined);
      });
      assert.equal(asked["update kubernetes/creds/robot"], 1, requestHTTPMethod);
    }
    await world.given(aDynamicSecret("get", { mount: "kubernetes", path: "creds/robot" }));
    await world.advance("5s");
    assert.match(world.condition("get", "Ready", DYNAMIC), /^False: VAULT_DENIED/);
  });
});

describe("the time of a VaultDynamicSecret", () => {
  it("renewalPercent of its life is when a lease is replaced that can't be renewed", async () => {
    await using world = await aKubernetesWorld();
    await world.given(aDynamicSecret("half", { ...ofKubernetes, renewalPercent: 50 }));
    await world.given(aDynamicSecret("late", { ...ofKubernetes, renewalPercent: 90 }));
    await world.advance("5s");
    const tokenOf = (name: string) => world.secret(name)?.data.service_account_token;
    const [half, late] = [tokenOf("half"), tokenOf("late")];
    await world.advance("40s");
    assert.deepEqual([tokenOf("half"), tokenOf("late")], [half, late]);
    await world.advance("10s");
    assert.notEqual(tokenOf("half"), half);
    await world.advance("30s");
    assert.equal(tokenOf("late"), late);
    await world.advance("10s");
    assert.notEqual(tokenOf("late"), late);
  });

  it("renewalPercent: 0 is no storm of issues", async () => {
    await using world = await aKubernetesWorld();
    const params = { kubernetes_namespace: "shop", ttl: "1000s" };
    const asked = await askedOf(world, async () => {
      await world.given(aDynamicSecret("zero", { ...ofKubernetes, params, renewalPercent: 0 }));
      await world.advance("2m");
    });
    assert.equal(asked["update kubernetes/creds/robot"], 3);
  });

  it("renewalPercent: 0 is no storm of renewals", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putDatabaseRole("app", { defaultTtl: "1h", maxTtl: "24h" });
    await world.given(aDynamicSecret("zero", { renewalPercent: 0 }));
    await world.advance("1m");
    const asked = await askedOf(world, () => world.advance("30m"));
    const renewals = asked["update sys/leases/renew"] ?? 0;
    assert.ok(renewals >= 9 && renewals <= 11, JSON.stringify(asked));
    assert.equal(await logsIn(world, "zero"), true);
  });

  it("refreshAfter is when data without a lease is read again", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putKv("old", "pin", { pin: "1" });
    await world.given(aDynamicSecret("pin", { mount: "old", path: "pin", refreshAfter: "60s" }));
    await world.advance("5s");
    await world.vault.putKv("old", "pin", { pin: "2" });
    await world.advance("40s");
    assert.equal(world.secret("pin")?.data.pin, "1");
    await world.advance("15s");
    assert.equal(world.secret("pin")?.data.pin, "2");
    const asked = await askedOf(world, () => world.advance("9m"));
    assert.ok((asked["read old/pin"] ?? 0) >= 9 && (asked["read old/pin"] ?? 0) <= 11, JSON.stringify(asked));
  });

  it("allowStaticCreds of a path that is no static role issues as without it", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret("db", { allowStaticCreds: true }));
    await world.advance("10m");
    assert.equal(await logsIn(world), true);
    assert.equal(world.vault.liveLeases().length, 1);
    assert.equal(statusOf(world, "db").staticCredsMetaData, undefined);
  });
});

describe("the restarts of a VaultDynamicSecret", () => {
  it("come once for each credential after the first, and not for renewals", async () => {
    await using world = await anIssuingWorld();
    const rolloutRestartTargets = [{ kind: "Deployment", name: "app" }];
    await world.given(aDeployment("app"), aDynamicSecret("db", { rolloutRestartTargets }));
    await world.advance("10m");
    assert.equal(restarts(world), 0);
    for (const refresh of ["1", "2"]) {
      await world.edit(DYNAMIC, "db", { metadata: { annotations: { "keyferry.dev/refresh": refresh } } });
      await world.advance("10m");
      assert.equal(restarts(world), Number(refresh));
    }
    assert.match(world.condition("db", "RolloutRestart", DYNAMIC), /^True/);
    assert.equal(await logsIn(world), true);
  });

  it("come once for each rotation of a static role, whose Secret is written once for it", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putStaticRole("fixed", { rotationPeriod: "10m" });
    const rolloutRestartTargets = [{ kind: "Deployment", name: "app" }];
    const spec = { path: "static-creds/fixed", allowStaticCreds: true, rolloutRestartTargets };
    await world.given(aDeployment("app"), aDynamicSecret("db", spec));
    await world.advance("5s");
    const writes = () => world.log.filter(({ event }) => event === "secret-written").length;
    await world.edit(DYNAMIC, "db", { metadata: { annotations: { "keyferry.dev/refresh": "1" } } });
    await world.advance("9m");
    assert.deepEqual([writes(), restarts(world)], [1, 0]);
    await world.advance("3m");
    assert.deepEqual([writes(), restarts(world)], [2, 1]);
    assert.equal(await logsIn(world), true);
  });
});

describe("the Secret of a VaultDynamicSecret", () => {
  it("has the declared name, type, labels and annotations, beside the owner's", async () => {
    await using world = await anIssuingWorld();
    const destination = {
      ...{ name: "login", type: "example.com/login" },
      ...{ labels: { team: "shop" }, annotations: { note: "by Vault" } },
    };
    await world.given(aDynamicSecret("db", { destination }));
    await world.advance("5s");
    const secret = world.secret("login");
    assert.equal(secret?.type, "example.com/login");
    assert.equal(secret?.labels.team, "shop");
    assert.equal(secret?.labels["app.kubernetes.io/managed-by"], "hashicorp-vso");
    assert.equal(secret?.annotations.note, "by Vault");
    assert.equal(await logsIn(world, "login"), true);
  });

  it("create: false fills a Secret that others made, and issues nothing before there is one", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret("db", { destination: { create: false } }));
    const asked = await askedOf(world, () => world.advance("10m"));
    assert.match(world.condition("db", "Ready", DYNAMIC), /^False: SECRET_MISSING/);
    assert.equal(asked["read database/creds/app"], undefined);
    await world.given(aSecret("db"));
    await world.advance("5m");
    assert.equal(await logsIn(world), true);
    await world.remove(DYNAMIC, "db");
    await world.advance("10s");
    assert.notEqual(world.secret("db"), undefined);
    assert.equal(await logsIn(world), false);
  });

  it("overwrite takes one over that has no owner; without it nothing is issued", async () => {
    await using world = await anIssuingWorld();
    await world.given(aSecret("db"), aDynamicSecret("db"));
    const asked = await askedOf(world, () => world.advance("5m"));
    assert.match(world.condition("db", "Ready", DYNAMIC), /^False: SECRET_NOT_OURS/);
    assert.equal(asked["read database/creds/app"], undefined);
    await world.given(aDynamicSecret("db", { destination: { overwrite: true } }));
    await world.advance("5s");
    assert.equal(await logsIn(world), true);
  });

  it("is shaped by templates, references and filters; a change of them issues anew", async () => {
    await using world = await anIssuingWorld();
    const shared = {
      ...{ apiVersion: "secrets.hashicorp.com/v1beta1", kind: "SecretTransformation" },
      metadata: { name: "shapes", namespace: "shop" },
      spec: {
        excludes: ["^password$"],
        templates: { dsn: { name: "dsn", text: "{{ .Secrets.username }}:{{ .Secrets.password }}" } },
      },
    };
    const transformation = (text: string) => ({
      ...{ excludeRaw: true, includes: ["^(user|pass)"], excludes: ["nothing"] },
      templates: { who: { name: "who", text } },
      transformationRefs: [
        {
          ...{ name: "shapes", namespace: "shop", ignoreIncludes: true, ignoreExcludes: false },
          templateRefs: [{ name: "dsn", keyOverride: "DSN" }],
        },
      ],
    });
    await world.given(
      shared,
      aDynamicSecret("db", { destination: { transformation: transformation("a {{ .Secrets.username }}") } }),
    );
    await world.advance("5s");
    const { data = {} } = world.secret("db") ?? {};
    assert.deepEqual(Object.keys(data).sort(), ["DSN", "username", "who"]);
    assert.equal(data.who, `a ${data.username}`);
    const [user = "", password = ""] = data.DSN?.split(":") ?? [];
    assert.equal(await world.vault.login(user, password), true);
    await world.given(
      aDynamicSecret("db", { destination: { transformation: transformation("b {{ .Secrets.username }}") } }),
    );
    await world.advance("5s");
    assert.equal(world.secret("db")?.data.who, `b ${world.secret("db")?.data.username}`);
    assert.notEqual(world.secret("db")?.data.username, data.username);
  });
});

describe("the status of a VaultDynamicSecret", () => {
  it("has the lease, its times and conditions; a renewal does not change it", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("5s");
    const [lease] = world.vault.liveLeases();
    const told = statusOf(world, "db");
    const { requestID, ...secretLease } = told.secretLease as { requestID: string };
    assert.deepEqual(secretLease, { id: lease?.id, duration: 60, renewable: true });
    assert.match(requestID, /^request-/);
    assert.ok(Number(told.lastRenewalTime) >= START / 1_000 && Number(told.lastRenewalTime) <= START / 1_000 + 5);
    assert.equal(told.lastGeneration, 1);
    assert.equal(told.observedGeneration, 1);
    assert.equal(told.secretMAC, undefined);
    for (const type of ["SecretSynced", "Healthy", "Ready"])
      assert.match(world.condition("db", type, DYNAMIC), /^True/);
    await world.advance("10m");
    assert.deepEqual(statusOf(world, "db"), told);
  });

  it("has the next lease after the next issue", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("1m");
    const before = statusOf(world, "db");
    await world.edit(DYNAMIC, "db", { metadata: { annotations: { "keyferry.dev/refresh": "1" } } });
    await world.advance("10s");
    const after = statusOf(world, "db");
    assert.notDeepEqual(after.secretLease, before.secretLease);
    assert.ok(Number(after.lastRenewalTime) > Number(before.lastRenewalTime));
    const reasons = world.events("db").map(({ reason }) => reason);
    assert.ok(reasons.includes("SecretSynced") && reasons.includes("SecretRotated"), reasons.join());
  });

  it("of a static role has its rotation, and a MAC of its data", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putStaticRole("fixed", { rotationPeriod: "10m" });
    await world.given(theMacKey(), aDynamicSecret("db", { path: "static-creds/fixed", allowStaticCreds: true }));
    await world.advance("2m");
    const first = statusOf(world, "db");
    const { lastVaultRotation, ttl, ...rest } = first.staticCredsMetaData as Record<string, number>;
    assert.deepEqual(rest, { rotationPeriod: 600 });
    assert.ok(Number(lastVaultRotation) >= START / 1_000 && Number(ttl) > 0 && Number(ttl) <= 600);
    assert.match(String(first.secretMAC), /^[A-Za-z0-9+/]{43}=$/);
    assert.deepEqual(first.secretLease, { id: "", duration: 0, renewable: false, requestID: "" });
    await world.advance("10m");
    const second = statusOf(world, "db");
    assert.ok(Number(Object(second.staticCredsMetaData).lastVaultRotation) > Number(lastVaultRotation));
    assert.notEqual(second.secretMAC, first.secretMAC);
  });

  it("keeps what VSO writes for itself, but for the client whose credential was replaced", async () => {
    await using world = await anIssuingWorld();
    const status = {
      ...{
        lastGeneration: 0,
        lastRenewalTime: 0,
        lastRuntimePodUID: "pod",
        vaultClientMeta: { cacheKey: "a", id: "b" },
      },
      secretLease: { id: "", duration: 0, renewable: false, requestID: "" },
    };
    await world.given(aDynamicSecret("db", { vaultAuthRef: "late" }));
    const path = "/apis/secrets.hashicorp.com/v1beta1/namespaces/shop/vaultdynamicsecrets/db/status";
    const how = { contentType: "application/merge-patch+json" };
    assert.equal((await world.cluster().request("PATCH", path, { status }, how)).status, 200);
    await world.given(aVaultAuth("late"));
    await world.advance("1m");
    assert.equal(await logsIn(world), true);
    const told = statusOf(world, "db");
    assert.equal(told.lastRuntimePodUID, "pod");
    assert.equal(told.vaultClientMeta, undefined);
  });
});

/** What VSO makes its MACs with. */
function theMacKey() {
  const metadata = { name: "vso-cc-storage-hmac-key", namespace: "vso" };
  return { apiVersion: "v1", kind: "Secret", metadata, data: { key: base64("0123456789abcdef") } };
}

function aSecret(name: string) {
  return { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: "shop" }, data: { old: base64("1") } };
}
