import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import { type IssuingPlace, startIssuing } from "./support/issuing.ts";

const NS = "team-a";
const KIND = "VaultPKISecret";

function aPkiSecret(name: string, spec: Readonly<Record<string, unknown>> = {}) {
  return {
    apiVersion: "secrets.hashicorp.com/v1beta1",
    kind: KIND,
    metadata: { name, namespace: NS },
    spec: {
      ...{ mount: "pki", role: "web", commonName: `${name}.example.com` },
      destination: { name, create: true, type: "kubernetes.io/tls" },
      ...spec,
    },
  };
}

describe("a VaultPKISecret: a certificate, replaced before its end", () => {
  let world: IssuingPlace;
  let engine: RunningEngine;

  before(async () => {
    world = await startIssuing(NS);
    await world.world.vault.enablePki();
    await world.world.vault.putPkiRole("web", { ttl: "10m" });
    await world.world.vault.putPkiRole("short", { ttl: "45s" });
    await world.world.vault.putPkiRole("leased", { ttl: "10m", generate_lease: true });
    engine = await startEngine(world.world);
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const certificate = async (name: string, isSo: (x509: X509Certificate) => boolean = () => true) => {
    const { data } = await world.place.secretThat(name, (secret) => {
      const pem = secret.data["tls.crt"];
      return pem !== undefined && isSo(new X509Certificate(pem));
    });
    return new X509Certificate(data["tls.crt"] ?? "");
  };
  const isRevoked = async (x509: X509Certificate): Promise<boolean> => {
    const serial = x509.serialNumber.toLowerCase().replace(/(..)(?!$)/g, "$1:");
    const read = await world.world.vault.read(`pki/cert/${serial}`);
    return Number(read?.data.revocation_time ?? 0) > 0;
  };

  it("is written when it is declared, with tls.crt, tls.key and ca.crt", async () => {
    await world.cluster.apply(aPkiSecret("web"));
    const x509 = await certificate("web");
    assert.match(x509.subject, /CN=web\.example\.com/);
    const { data } = await world.place.secretThat("web", () => true);
    assert.ok(data["tls.key"]?.includes("PRIVATE KEY"));
    assert.ok(x509.checkIssued(new X509Certificate(data["ca.crt"] ?? "")));
    await world.cluster.waitFor("its status", async () => {
      const status = (await world.place.resource("web", KIND))?.status as Record<string, unknown> | undefined;
      return status?.valid === true && status.expiration === Math.floor(x509.validToDate.getTime() / 1000);
    });
  });

  it("a name more is another certificate; the names that it has already are none", async () => {
    const first = await certificate("web");
    await world.cluster.apply(aPkiSecret("web", { altNames: ["web.example.com"] }));
    await world.cluster.apply(aPkiSecret("web", { altNames: ["web.example.com", "www.example.com"] }));
    const second = await certificate("web", ({ serialNumber }) => serialNumber !== first.serialNumber);
    assert.match(second.subjectAltName ?? "", /www\.example\.com/);
  });

  it("is replaced before its end", async () => {
    await world.cluster.apply(aPkiSecret("soon", { role: "short" }));
    const first = await certificate("soon");
    const second = await certificate("soon", ({ serialNumber }) => serialNumber !== first.serialNumber);
    assert.ok(Date.now() < first.validToDate.getTime(), "it was replaced after its end");
    assert.ok(second.validToDate > first.validToDate);
  });

  it("with revoke it is revoked when its declaration goes", async () => {
    await world.cluster.apply(aPkiSecret("gone", { revoke: true }));
    const x509 = await certificate("gone");
    assert.equal(await isRevoked(x509), false);
    await world.cluster.delete(aPkiSecret("gone"));
    await world.cluster.waitFor("the revocation", () => isRevoked(x509));
  });

  it("one with a lease is revoked with it", async () => {
    await world.cluster.apply(aPkiSecret("leased", { role: "leased" }));
    const x509 = await certificate("leased");
    assert.equal((await world.world.vault.leases("pki/issue/leased")).length, 1);
    await world.cluster.delete(aPkiSecret("leased"));
    await world.cluster.waitFor("the revocation", () => isRevoked(x509));
  });
});
