import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { aDeployment, aVaultAuth } from "./world/builders.ts";
import { anIssuingWorld, aPkiSecret, askedOf, PKI, restarts, statusOf } from "./world/issuing.ts";
import { base64 } from "./world/views.ts";
import { START, type World } from "./world/world.ts";

const KEY = "tls.crt";

/** The certificate in a Secret. */
function certificate(world: World, name = "web", key = KEY): X509Certificate {
  return new X509Certificate(world.secret(name)?.data[key] ?? assert.fail(`Secret ${name} has no ${key}`));
}

const serial = (world: World, name = "web"): string => certificate(world, name).serialNumber;
const revoked = (world: World) => world.vault.certificates().filter(({ revokedAt }) => revokedAt !== undefined).length;

async function aPkiWorld(): Promise<World> {
  const world = await anIssuingWorld();
  await world.vault.putPkiRole("short", { ttl: "10m" });
  return world;
}

describe("the request of a VaultPKISecret", () => {
  it("goes to its mount and role, with the login of its vaultAuthRef and its names", async () => {
    await using world = await aPkiWorld();
    const names = {
      ...{ commonName: "web.example.com", altNames: ["www.example.com"], ipSans: ["10.0.0.1"] },
      ...{ uriSans: ["spiffe://web"], excludeCNFromSans: true },
    };
    const asked = await askedOf(world, async () => {
      await world.given(aVaultAuth("mine"), aPkiSecret("web", { vaultAuthRef: "mine", ...names }));
      await world.advance("5s");
    });
    assert.equal(asked["update pki/issue/web"], 1);
    const { subject, subjectAltName } = certificate(world);
    assert.equal(subject, "CN=web.example.com");
    assert.equal(subjectAltName, "DNS:www.example.com, URI:spiffe://web, IP Address:10.0.0.1");
  });

  it("other names issue anew, names that the certificate has already do not", async () => {
    await using world = await aPkiWorld();
    await world.given(aPkiSecret("web", { altNames: ["a.example.com", "b.example.com"] }));
    await world.advance("5s");
    const first = serial(world);
    await world.given(aPkiSecret("web", { altNames: ["b.example.com"] }));
    await world.advance("1m");
    assert.equal(serial(world), first);
    await world.given(aPkiSecret("web", { altNames: ["c.example.com"] }));
    await world.advance("5s");
    assert.notEqual(serial(world), first);
    assert.match(certificate(world).subjectAltName ?? "", /c\.example\.com/);
  });

  it("issuerRef names the issuer, and another one issues anew", async () => {
    await using world = await aPkiWorld();
    await world.vault.write("pki/root/generate/internal", {
      common_name: "another root",
      ttl: "8760h",
      issuer_name: "other",
    });
    await world.given(aPkiSecret());
    await world.advance("5s");
    assert.equal(certificate(world).issuer, "CN=a root");
    await world.given(aPkiSecret("web", { issuerRef: "other" }));
    await world.advance("5s");
    assert.equal(certificate(world).issuer, "CN=another root");
  });

  it("ttl is how long it lasts", async () => {
    await using world = await aPkiWorld();
    await world.given(aPkiSecret("web", { ttl: "2h" }));
    await world.advance("5s");
    const lasts = certificate(world).validToDate.getTime() - START;
    assert.ok(lasts >= 7_200_000 && lasts < 7_210_000, `${lasts} ms`);
  });
});

describe("the time of a VaultPKISecret", () => {
  for (const [offset, expiryOffset] of [
    ["a third of its life", undefined],
    ["expiryOffset", "3m20s"],
  ] as const) {
    it(`it is replaced before its end by ${offset}, and at most 5 % earlier`, async () => {
      await using world = await aPkiWorld();
      await world.given(aPkiSecret("web", { role: "short", ...(expiryOffset ? { expiryOffset: "200s" } : {}) }));
      await world.advance("5s");
      const first = serial(world);
      await world.advance("6m");
      assert.equal(serial(world), first);
      await world.advance("1m");
      assert.notEqual(serial(world), first);
    });
  }

  it("a shorter expiryOffset is as long as it says, and at least a minute", async () => {
    await using world = await aPkiWorld();
    await world.given(aPkiSecret("web", { role: "short", expiryOffset: "2m" }));
    await world.given(aPkiSecret("late", { role: "short", expiryOffset: "5s" }));
    await world.advance("5s");
    const [web, late] = [serial(world), serial(world, "late")];
    await world.advance("7m");
    assert.deepEqual([serial(world), serial(world, "late")], [web, late]);
    await world.advance("65s");
    assert.notEqual(serial(world), web);
    assert.equal(serial(world, "late"), late);
    await world.advance("1m");
    assert.notEqual(serial(world, "late"), late);
  });
});

describe("the end of a VaultPKISecret", () => {
  it("revoke: the certificate is revoked with the declaration; without, it is not", async () => {
    await using world = await aPkiWorld();
    await world.given(aPkiSecret("web", { revoke: true }), aPkiSecret("plain"));
    await world.advance("5s");
    for (const name of ["web", "plain"]) await world.remove(PKI, name);
    await world.advance("10s");
    assert.equal(revoked(world), 1);
    assert.equal(world.secret("web"), undefined);
  });

  it("revoke: a replaced one as its annotation says, and without targets not before its end", async () => {
    await using world = await aPkiWorld();
    const annotations = { "keyferry.dev/revoke-replaced": "30s" };
    await world.given(aPkiSecret("web", { revoke: true, annotations }), aPkiSecret("plain", { revoke: true }));
    await world.advance("5s");
    for (const name of ["web", "plain"])
      await world.edit(PKI, name, { metadata: { annotations: { "keyferry.dev/refresh": "1" } } });
    await world.advance("10s");
    assert.equal(revoked(world), 0);
    await world.advance("5m");
    assert.equal(revoked(world), 1);
    assert.match(world.condition("web", "Ready", PKI), /^True/);
  });

  it("clear: a Secret of others is emptied, and stays; without, it keeps its data", async () => {
    await using world = await aPkiWorld();
    for (const name of ["web", "plain"]) {
      const data = { [KEY]: "", "tls.key": "" };
      await world.given({
        ...{ apiVersion: "v1", kind: "Secret", type: "kubernetes.io/tls", data },
        metadata: { name, namespace: "shop" },
      });
      await world.given(aPkiSecret(name, { clear: name === "web", destination: { create: false } }));
    }
    await world.advance("30s");
    for (const name of ["web", "plain"]) assert.ok(certificate(world, name));
    for (const name of ["web", "plain"]) await world.remove(PKI, name);
    await world.advance("10s");
    assert.equal(Object.values(world.secret("web")?.data ?? { none: "no Secret" }).join(""), "");
    assert.ok(certificate(world, "plain"));
  });
});

describe("the Secret of a VaultPKISecret", () => {
  it("is for TLS, or has all fields of the answer, by its type; labels and annotations are as declared", async () => {
    await using world = await aPkiWorld();
    const destination = { name: "cert", type: "Opaque", labels: { team: "shop" }, annotations: { note: "a" } };
    await world.given(aPkiSecret(), aPkiSecret("plain", { destination }));
    await world.advance("5s");
    const { data = {} } = world.secret("web") ?? {};
    assert.ok(certificate(world).checkIssued(certificate(world, "web", "ca.crt")));
    assert.match(data["tls.key"] ?? "", /PRIVATE KEY/);
    const plain = world.secret("cert");
    assert.deepEqual([plain?.type, plain?.labels.team, plain?.annotations.note], ["Opaque", "shop", "a"]);
    assert.deepEqual(Object.keys(plain?.data ?? {}).sort(), [
      "_raw",
      "ca_chain",
      "certificate",
      "expiration",
      "issuing_ca",
      "private_key",
      "private_key_type",
      "serial_number",
    ]);
  });

  it("overwrite takes one over that has no owner; without it nothing is issued", async () => {
    await using world = await aPkiWorld();
    const metadata = { name: "web", namespace: "shop" };
    const foreign = { apiVersion: "v1", kind: "Secret", metadata, data: { old: base64("1") } };
    await world.given(foreign, aPkiSecret());
    const asked = await askedOf(world, () => world.advance("5m"));
    assert.match(world.condition("web", "Ready", PKI), /^False: SECRET_NOT_OURS/);
    assert.equal(asked["update pki/issue/web"], undefined);
    await world.given(aPkiSecret("web", { destination: { overwrite: true } }));
    await world.advance("10s");
    assert.ok(certificate(world));
  });

  it("is shaped by templates, references and filters; a change of them issues anew", async () => {
    await using world = await aPkiWorld();
    const shared = {
      ...{ apiVersion: "secrets.hashicorp.com/v1beta1", kind: "SecretTransformation" },
      metadata: { name: "shapes", namespace: "shop" },
      spec: {
        excludes: ["^private"],
        templates: { bundle: { name: "bundle", text: "{{ .Secrets.certificate }}\n{{ .Secrets.private_key }}" } },
      },
    };
    const transformation = {
      ...{ excludeRaw: true, includes: ["^(serial|expiration)"], excludes: ["^expiration"] },
      templates: { who: { name: "who", text: "no. {{ .Secrets.serial_number }}" } },
      transformationRefs: [
        {
          ...{ name: "shapes", namespace: "shop", ignoreIncludes: true, ignoreExcludes: false },
          templateRefs: [{ name: "bundle", keyOverride: "server.pem" }],
        },
      ],
    };
    const spec = (more = {}) => ({ destination: { type: "Opaque", transformation: { ...transformation, ...more } } });
    await world.given(shared, aPkiSecret("web", spec()));
    await world.advance("5s");
    const { data = {} } = world.secret("web") ?? {};
    assert.deepEqual(Object.keys(data).sort(), ["serial_number", "server.pem", "who"]);
    assert.equal(data.who, `no. ${data.serial_number}`);
    assert.match(data["server.pem"] ?? "", /BEGIN CERTIFICATE-[\s\S]*PRIVATE KEY/);
    await world.given(aPkiSecret("web", spec({ templates: {} })));
    await world.advance("5s");
    assert.notEqual(world.secret("web")?.data.serial_number, data.serial_number);
  });
});

describe("restarts and status of a VaultPKISecret", () => {
  it("each certificate after the first restarts its targets once", async () => {
    await using world = await aPkiWorld();
    const rolloutRestartTargets = [{ kind: "Deployment", name: "app" }];
    await world.given(aDeployment("app"), aPkiSecret("web", { role: "short", rolloutRestartTargets }));
    await world.advance("6m");
    assert.equal(restarts(world), 0);
    await world.advance("2m");
    assert.equal(restarts(world), 1);
    assert.match(world.condition("web", "RolloutRestart", PKI), /^True/);
  });

  it("names the certificate and its times, and changes with it", async () => {
    await using world = await aPkiWorld();
    const metadata = { name: "vso-cc-storage-hmac-key", namespace: "vso" };
    await world.given({ apiVersion: "v1", kind: "Secret", metadata, data: { key: base64("0123456789abcdef") } });
    await world.given(aPkiSecret("web", { role: "short" }));
    await world.advance("5s");
    const told = () => {
      const { serialNumber, expiration, valid, error, lastGeneration, observedGeneration } = statusOf(
        world,
        "web",
        PKI,
      );
      const x509 = certificate(world);
      const hex = String(serialNumber).replaceAll(":", "").toUpperCase();
      assert.equal(hex, x509.serialNumber);
      assert.equal(expiration, x509.validToDate.getTime() / 1_000);
      assert.deepEqual([valid, error, lastGeneration, observedGeneration], [true, "", 1, 1]);
    };
    told();
    const { lastRotation, secretMAC } = statusOf(world, "web", PKI);
    assert.ok(Number(lastRotation) >= START / 1_000 && Number(lastRotation) <= START / 1_000 + 5);
    assert.match(String(secretMAC), /^[A-Za-z0-9+/]{43}=$/);
    for (const type of ["SecretSynced", "Healthy", "Ready"]) assert.match(world.condition("web", type, PKI), /^True/);
    await world.advance("8m");
    told();
    assert.ok(Number(statusOf(world, "web", PKI).lastRotation) > Number(lastRotation));
    assert.notEqual(statusOf(world, "web", PKI).secretMAC, secretMAC);
  });

  it("is not valid while no certificate can be issued, says why, and keeps the one that is in use", async () => {
    await using world = await aPkiWorld();
    await world.given(aPkiSecret("web", { role: "nobody" }));
    await world.advance("10s");
    const first = statusOf(world, "web", PKI);
    assert.equal(first.valid, false);
    assert.match(String(first.error), /^VAULT_ANSWER_INVALID: /);
    assert.equal(first.serialNumber, undefined);
    await world.given(aPkiSecret());
    await world.advance("10s");
    assert.deepEqual([statusOf(world, "web", PKI).valid, statusOf(world, "web", PKI).error], [true, ""]);
    const { serialNumber, expiration } = statusOf(world, "web", PKI);
    await world.given(aPkiSecret("web", { role: "nobody" }));
    await world.advance("10s");
    const third = statusOf(world, "web", PKI);
    assert.deepEqual([third.valid, third.serialNumber, third.expiration], [false, serialNumber, expiration]);
    assert.match(String(third.error), /^VAULT_ANSWER_INVALID: /);
  });
});
