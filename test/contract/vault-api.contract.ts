import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { LosslessNumber } from "lossless-json";
import type { VaultIdentity } from "../../lib/ports/vault.ts";
import { prometheusMetrics } from "../../lib/telemetry/metrics.ts";
import type { ContractVault } from "../core/world/vault.ts";
import { appRole, failure, kv2, type LoginCluster, openVaultApi, type TestVaultApi, times } from "./vault-world.ts";

const forever = new AbortController().signal;

/** What is owed by the end of any Vault: the same on OpenBao and on HashiCorp's. */
export function vaultApiContract(
  name: string,
  servers: () => { readonly vault: ContractVault; readonly cluster: LoginCluster },
): void {
  describe(`a Vault end on ${name}`, () => {
    let vault: ContractVault;
    let cluster: LoginCluster;
    let reader: VaultIdentity;
    let end: TestVaultApi;

    before(async () => {
      ({ vault, cluster } = servers());
      reader = await appRole({ vault, cluster }, { policies: ["reader"] });
      end = openVaultApi(cluster);
    });
    after(() => end[Symbol.asyncDispose]());

    const fresh = (ttl?: string) => appRole({ vault, cluster }, { policies: ["reader"], ...(ttl && { ttl }) });

    describe("reads", () => {
      it("kv-v2 with its version and when that was written", async () => {
        await vault.putKv("kv", "versions", { a: "1" });
        await vault.putKv("kv", "versions", { a: "2" });
        const latest = await end.read(kv2(reader, "versions"), forever);
        assert.deepEqual(latest.fields, new Map([["a", "2"]]));
        assert.equal(latest.version?.number, 2);
        assert.ok(Math.abs(Date.parse(latest.version.createdTime) - end.now()) < 60_000);
        const first = await end.read(kv2(reader, "versions", { version: 1 }), forever);
        assert.deepEqual(first.fields, new Map([["a", "1"]]));
        assert.equal(first.version?.number, 1);
        assert.deepEqual(Object.keys(Object(first.response)).sort(), ["data", "metadata"]);
      });

      it("kv-v1 without a version", async () => {
        const data = await end.read(kv2(reader, "app", { mount: "old", engine: "kv-v1" }), forever);
        assert.deepEqual(data.fields, new Map([["password", "s3cr3t"]]));
        assert.deepEqual(data.response, { password: "s3cr3t" });
        assert.equal(data.version, undefined);
      });

      it("numbers, keys and texts as Vault has them", async () => {
        const text =
          '{"big":12345678901234567890,"<&>":"\\u0000\\ud83d\\ude00\\u2028","list":[true,null,{"x":""}],"__proto__":"p"}';
        await vault.write("old/exact", text);
        const { fields } = await end.read(kv2(reader, "exact", { mount: "old", engine: "kv-v1" }), forever);
        assert.deepEqual(fields.get("big"), new LosslessNumber("12345678901234567890"));
        assert.equal(fields.get("<&>"), "\u0000😀\u2028");
        assert.deepEqual(fields.get("list"), [true, null, { x: "" }]);
        assert.equal(fields.get("__proto__"), "p");
      });

      it("paths with any character that is allowed in one", async () => {
        for (const path of ["a b", "ü/é", "100%25", "a+b&c=d;e", "it's/(1)!*"]) {
          await vault.putKv("kv", path.split("/").map(encodeURIComponent).join("/"), { path });
          const data = await end.read(kv2(reader, `/${path}`, { mount: "kv/" }), forever);
          assert.deepEqual(data.fields, new Map([["path", path]]));
        }
      });

      it("nothing from a path that would lead elsewhere", async () => {
        for (const path of ["../sys/health", "a/./b", "app?version=1", "app#x", "a//b", ""]) {
          await failure(end.read(kv2(reader, path), forever), "SPEC_INVALID");
        }
        await failure(end.read(kv2({ ...reader, id: "up", mount: "approle/.." }, "app"), forever), "SPEC_INVALID");
      });

      it("nothing where nothing is, and says what to look at", async () => {
        await failure(end.read(kv2(reader, "none"), forever), "VAULT_PATH_MISSING");
        await failure(end.read(kv2(reader, "app", { version: 99 }), forever), "VAULT_PATH_MISSING");
        assert.equal(
          (await failure(end.read(kv2(reader, "none"), forever), "VAULT_PATH_MISSING")).deletedVersion,
          undefined,
        );
        const asV1 = await failure(end.read(kv2(reader, "app", { engine: "kv-v1" }), forever), "VAULT_PATH_MISSING");
        assert.match(asV1.message, /set type to kv-v2/);
        const asV2 = await failure(end.read(kv2(reader, "app", { mount: "old" }), forever), "VAULT_PATH_MISSING");
        assert.match(asV2.message, /not kv-v2/);
      });

      it("no deleted and no destroyed version: the Secret is kept", async () => {
        await vault.putKv("kv", "deleted", { a: "s3cr3t" });
        await vault.remove("kv/data/deleted");
        const deleted = await failure(end.read(kv2(reader, "deleted"), forever), "VAULT_PATH_MISSING");
        assert.match(deleted.message, /deleted version: its Secret stays unchanged/);
        assert.equal(deleted.deletedVersion, 1);
        await vault.write("kv/destroy/deleted", { versions: [1] });
        const destroyed = await failure(end.read(kv2(reader, "deleted"), forever), "VAULT_PATH_MISSING");
        assert.match(destroyed.message, /deleted version: its Secret stays unchanged/);
      });

      it("a deleted and a destroyed version without fields when that is asked for, but no path that is not there", async () => {
        await vault.putKv("kv", "followed", { a: "s3cr3t" });
        await vault.remove("kv/data/followed");
        const read = kv2(reader, "followed", { followDeleted: true });
        for (const step of ["delete", "destroy"]) {
          if (step === "destroy") await vault.write("kv/destroy/followed", { versions: [1] });
          const { fields, response, version } = await end.read(read, forever);
          assert.equal(fields.size, 0, step);
          assert.equal(version?.number, 1);
          assert.equal(Object(response).data, null);
        }
        await vault.remove("kv/metadata/followed");
        await failure(end.read(read, forever), "VAULT_PATH_MISSING");
        await failure(end.read({ ...read, path: "none" }, forever), "VAULT_PATH_MISSING");
        await failure(end.read({ ...read, path: "app", version: 99 }, forever), "VAULT_PATH_MISSING");
      });
    });

    describe("in a Vault that is limited or down", () => {
      it("is throttled with Vault's own pause", async () => {
        await vault.write("sys/quotas/config", { enable_rate_limit_response_headers: true });
        await vault.write("sys/quotas/rate-limit/tight", { path: "kv/", rate: 1, interval: "60s" });
        // Its own end: the pause holds for all later reads of this mount.
        await using limited = openVaultApi(cluster);
        try {
          const reads = await Promise.allSettled(
            Array.from({ length: 5 }, () => limited.read(kv2(reader, "app"), forever)),
          );
          // A quota of one mount stops no other.
          await limited.read(kv2(reader, "app", { mount: "old", engine: "kv-v1" }), forever);
          const refused = reads.find(({ status }) => status === "rejected");
          const error = await failure(
            Promise.reject(refused?.status === "rejected" ? refused.reason : undefined),
            "VAULT_THROTTLED",
          );
          assert.ok((error.retryAfterMs ?? 0) > 0 && (error.retryAfterMs ?? 0) <= 60_000, String(error.retryAfterMs));
        } finally {
          await vault.remove("sys/quotas/rate-limit/tight");
        }
      });

      it("tells a sealed one from one that is out of reach, by reads and by probes", async () => {
        const circuit = `vault:${vault.address}`;
        assert.equal(await end.probe(reader.target, forever), "unsealed");
        const id = await end.clusterId(reader.target, forever);
        assert.match(id ?? "", /^[0-9a-f-]{36}$/);
        await vault.seal();
        for (const work of [() => end.probe(reader.target, forever), () => end.read(kv2(reader, "app"), forever)]) {
          assert.equal((await failure(work(), "VAULT_SEALED")).circuit, circuit);
        }
        await vault.stop();
        for (const work of [() => end.probe(reader.target, forever), () => end.read(kv2(reader, "app"), forever)]) {
          assert.equal((await failure(work(), "VAULT_UNAVAILABLE")).circuit, circuit);
        }
        await vault.start();
        await end.probe(reader.target, forever);
        assert.equal((await end.read(kv2(reader, "app"), forever)).fields.size, 1);
      });

      it("doesn't wait longer than it may for one that hangs", async () => {
        const patient = { ...reader, id: "hasty" };
        const hasty = { ...patient, target: { ...reader.target, timeoutMs: 900 } };
        // What it logs in with, in its own time.
        await end.read(kv2(patient, "app"), forever);
        vault.pause();
        try {
          await failure(end.read(kv2(hasty, "app"), forever), "VAULT_NO_ANSWER");
          // Asked for everyone, it waits for longer than the hasty would.
          await failure(end.probe(hasty.target, forever), "VAULT_UNAVAILABLE");
          await failure(end.read(kv2(hasty, "app"), AbortSignal.timeout(1)), "DEADLINE_EXCEEDED");
        } finally {
          vault.resume();
        }
        assert.equal((await end.read(kv2(patient, "app"), forever)).fields.size, 1);
      });
    });

    it("counts reads and logins by outcome, under names that exist", async () => {
      const metrics = prometheusMetrics();
      await using own = openVaultApi(cluster, { metrics });
      const identity = await fresh();
      await times(3, () => own.read(kv2(identity, "app"), forever));
      await failure(own.read(kv2(identity, "none"), forever), "VAULT_PATH_MISSING");
      const lines = (await metrics.registry.metrics()).split("\n");
      assert.ok(lines.includes('keyferry_vault_reads_total{outcome="ok"} 3'));
      assert.ok(lines.includes('keyferry_vault_reads_total{outcome="VAULT_PATH_MISSING"} 1'));
      assert.ok(lines.includes('keyferry_vault_logins_total{outcome="ok"} 1'));
    });
  });
}
