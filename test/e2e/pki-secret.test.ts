import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { type RunningEngine, startEngine, status } from "./support/engine.ts";
import { enablePkiInTeam, type IssuingPlace, startIssuing } from "./support/issuing.ts";

const NS = "team-a";
const KIND = "VaultPKISecret";
/** A machine that is busy is no defect. */
const LONG_MS = 120_000;

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

describe("a VaultPKISecret: a certificate, replaced before its end", { concurrency: true }, () => {
  for (const flavor of ["openbao", "vault"] as const) {
    describe(flavor, { concurrency: true }, () => {
      let world: IssuingPlace;
      let engine: RunningEngine;

      before(async () => {
        world = await startIssuing(NS, { vault: { flavor } });
        const { vault } = world.world;
        await vault.enablePki();
        await vault.putPkiRole("web", { ttl: "10m" });
        // A third of it is left when it is replaced: so late may a busy machine be.
        await vault.putPkiRole("short", { ttl: "60s" });
        await vault.putPkiRole("leased", { ttl: "10m", generate_lease: true });
        if (flavor === "openbao") await enablePkiInTeam(world.world);
        engine = await startEngine(world.world);
      });
      after(async () => {
        await engine?.[Symbol.asyncDispose]();
        await world?.[Symbol.asyncDispose]();
      });

      const certificate = async (name: string, isSo: (x509: X509Certificate) => boolean = () => true) => {
        const isThere = (pem: string | undefined) => pem !== undefined && isSo(new X509Certificate(pem));
        const { data } = await world.place.secretThat(name, (secret) => isThere(secret.data["tls.crt"]), LONG_MS);
        return new X509Certificate(data["tls.crt"] ?? "");
      };
      const isRevoked = async (x509: X509Certificate): Promise<boolean> => {
        const serial = x509.serialNumber.toLowerCase().replace(/(..)(?!$)/g, "$1:");
        const read = await world.world.vault.read(`pki/cert/${serial}`);
        return Number(read?.data.revocation_time ?? 0) > 0;
      };
      const statusOf = async (name: string) =>
        ((await world.place.resource(name, KIND))?.status ?? {}) as Readonly<Record<string, unknown>>;

      it("is written when it is declared, with tls.crt, tls.key and ca.crt", async () => {
        await world.cluster.apply(aPkiSecret("web"));
        const x509 = await certificate("web");
        assert.match(x509.subject, /CN=web\.example\.com/);
        const { data } = await world.place.secretThat("web", () => true);
        assert.ok(data["tls.key"]?.includes("PRIVATE KEY"));
        assert.ok(x509.checkIssued(new X509Certificate(data["ca.crt"] ?? "")));
        const isTold = async () => {
          const { valid, expiration } = await statusOf("web");
          return valid === true && expiration === Math.floor(x509.validToDate.getTime() / 1000);
        };
        await world.cluster.waitFor("its status", isTold, LONG_MS);
      });

      it("a name more is another certificate; the names that it has already are none", async () => {
        await world.cluster.apply(aPkiSecret("names"));
        const first = await certificate("names");
        await world.cluster.apply(aPkiSecret("names", { altNames: ["names.example.com"] }));
        await world.cluster.apply(aPkiSecret("names", { altNames: ["names.example.com", "www.example.com"] }));
        const second = await certificate("names", ({ serialNumber }) => serialNumber !== first.serialNumber);
        assert.match(second.subjectAltName ?? "", /www\.example\.com/);
      });

      it("is replaced before its end", async () => {
        await world.cluster.apply(aPkiSecret("soon", { role: "short" }));
        const first = await certificate("soon");
        const second = await certificate("soon", ({ serialNumber }) => serialNumber !== first.serialNumber);
        assert.ok(
          second.validFromDate.getTime() + 30_000 < first.validToDate.getTime(),
          "it was replaced after its end",
        );
        assert.ok(second.validToDate > first.validToDate);
      });

      it("with revoke it is revoked when its declaration goes", async () => {
        await world.cluster.apply(aPkiSecret("gone", { revoke: true }));
        const x509 = await certificate("gone");
        assert.equal(await isRevoked(x509), false);
        await world.cluster.delete(aPkiSecret("gone"));
        await world.cluster.waitFor("the revocation", () => isRevoked(x509), LONG_MS);
      });

      it("one with a lease is revoked with it", async () => {
        await world.cluster.apply(aPkiSecret("leased", { role: "leased" }));
        const x509 = await certificate("leased");
        assert.equal((await world.world.vault.leases("pki/issue/leased")).length, 1);
        await world.cluster.delete(aPkiSecret("leased"));
        await world.cluster.waitFor("the revocation", () => isRevoked(x509), LONG_MS);
      });

      it("format and privateKeyFormat are those of the fields; those of a Secret for TLS are PEM", async () => {
        await world.cluster.apply(aPkiSecret("der", { format: "der", privateKeyFormat: "pkcs8" }));
        const x509 = await certificate("der");
        const { data } = await world.place.secretThat("der", () => true);
        assert.deepEqual(Buffer.from(data.certificate ?? "", "base64"), x509.raw);
        assert.match(data["tls.key"] ?? "", /^-----BEGIN PRIVATE KEY-----/);
      });

      it("clear empties a Secret of others with the declaration", async () => {
        const data = { "tls.crt": "", "tls.key": "" };
        const metadata = { name: "lent", namespace: NS };
        const { status: answered } = await world.cluster.request("POST", `/api/v1/namespaces/${NS}/secrets`, {
          ...{ apiVersion: "v1", kind: "Secret", type: "kubernetes.io/tls", metadata, data },
        });
        assert.equal(answered, 201);
        const spec = { clear: true, destination: { name: "lent", create: false, type: "kubernetes.io/tls" } };
        await world.cluster.apply(aPkiSecret("lent", spec));
        await world.place.secretThat("lent", ({ data }) => (data["tls.crt"] ?? "") !== "", LONG_MS);
        const hasEnded = async () => {
          const { syncs } = await status(world.world);
          return syncs.some(({ key, syncedAt }) => key.endsWith("/lent") && syncedAt !== undefined);
        };
        await world.cluster.waitFor("the end of the run", hasEnded, LONG_MS);
        await world.cluster.delete(aPkiSecret("lent"));
        await world.place.secretThat("lent", ({ data }) => Object.values(data).join("") === "", LONG_MS);
      });

      it("a role that is not there is told in valid and error", async () => {
        await world.cluster.apply(aPkiSecret("none", { role: "none" }));
        const isTold = async () => {
          const now = await statusOf("none");
          return now.valid === false && now.error !== "" && now;
        };
        const told = await world.cluster.waitFor("the status", isTold, LONG_MS);
        assert.match(String(told.error), /^VAULT_[A-Z_]+: /);
      });

      if (flavor === "openbao") {
        it("asks in the Vault namespace that it names", async () => {
          await world.cluster.apply(aPkiSecret("team", { namespace: "team" }));
          assert.match((await certificate("team")).issuer, /CN=team root/);
        });
      }
    });
  }
});
