import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LosslessNumber } from "lossless-json";
import { prometheusMetrics } from "../../lib/metrics.ts";
import type { VaultIdentity } from "../../lib/reconcile/ports.ts";
import type { Cluster, Vault } from "../harness/index.ts";
import {
  account,
  appRole,
  audited,
  failure,
  identityOn,
  JWT_ROLE,
  kv2,
  openEnd,
  putSecret,
  secretKey,
  type TestEnd,
} from "./vault-world.ts";

const LOGIN = "update auth/approle/login";
const forever = new AbortController().signal;
const times = <T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)));

const READER =
  'path "kv/*" { capabilities = ["read"] } path "kv/data/closed/*" { capabilities = ["deny"] } path "old/*" { capabilities = ["read"] }';

async function accessors(vault: Vault): Promise<unknown[]> {
  const { data } = (await vault.request("LIST", "auth/token/accessors")).body;
  return Array.isArray(data.keys) ? data.keys : [];
}

/** What is owed by the end of any Vault: the same on OpenBao and on HashiCorp's. */
export function vaultEndContract(
  name: string,
  servers: () => { readonly vault: Vault; readonly cluster: Cluster },
): void {
  describe(`a Vault end on ${name}`, () => {
    let vault: Vault;
    let cluster: Cluster;
    let reader: VaultIdentity;
    let end: TestEnd;

    before(async () => {
      ({ vault, cluster } = servers());
      await vault.enableKv("kv", 2);
      await vault.enableKv("old", 1);
      await vault.writePolicy("reader", READER);
      await vault.putKv("kv", "app", { password: "s3cr3t" });
      await vault.putKv("kv", "closed/app", { password: "s3cr3t" });
      await vault.putKv("old", "app", { password: "s3cr3t" });
      reader = await appRole({ vault, cluster }, { policies: ["reader"] });
      end = openEnd(cluster);
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
        assert.ok(Math.abs(Date.parse(latest.version.createdTime) - Date.now()) < 60_000);
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
        const asV1 = await failure(end.read(kv2(reader, "app", { engine: "kv-v1" }), forever), "VAULT_PATH_MISSING");
        assert.match(asV1.message, /set type to kv-v2/);
        const asV2 = await failure(end.read(kv2(reader, "app", { mount: "old" }), forever), "VAULT_PATH_MISSING");
        assert.match(asV2.message, /not kv-v2/);
      });

      it("no deleted and no destroyed version: the Secret is kept", async () => {
        await vault.putKv("kv", "deleted", { a: "s3cr3t" });
        await vault.remove("kv/data/deleted");
        const deleted = await failure(end.read(kv2(reader, "deleted"), forever), "VAULT_PATH_MISSING");
        assert.match(deleted.message, /deleted: its Secret is kept/);
        await vault.write("kv/destroy/deleted", { versions: [1] });
        const destroyed = await failure(end.read(kv2(reader, "deleted"), forever), "VAULT_PATH_MISSING");
        assert.match(destroyed.message, /deleted: its Secret is kept/);
      });
    });

    describe("logs in", () => {
      it("with a service account's token at the Kubernetes login", async () => {
        const role = {
          bound_service_account_names: "default",
          bound_service_account_namespaces: "default",
          token_policies: "reader",
        };
        await vault.write("auth/kubernetes/role/app", role);
        const method = { kind: "kubernetes", role: "app", credential: account() } as const;
        const identity = identityOn(vault, { mount: "kubernetes", method });
        assert.equal((await end.read(kv2(identity, "app"), forever)).fields.get("password"), "s3cr3t");
        const other = identityOn(vault, { mount: "kubernetes", method: { ...method, role: "none" } });
        await failure(end.read(kv2(other, "app"), forever), "VAULT_LOGIN_REFUSED");
      });

      it("with a JWT of a service account or of a Secret", async () => {
        await vault.write("auth/jwt/role/app", JWT_ROLE);
        const jwt = await cluster.tokenFor({ namespace: "default", name: "default", audiences: ["vault"] });
        await putSecret(cluster, `${vault.flavor}-jwt`, { jwt });
        for (const credential of [account("vault"), secretKey(`${vault.flavor}-jwt`, "jwt")]) {
          const identity = identityOn(vault, { mount: "jwt", method: { kind: "jwt", role: "app", credential } });
          assert.equal((await end.read(kv2(identity, "app"), forever)).fields.get("password"), "s3cr3t");
        }
        const method = { kind: "jwt", role: "app", credential: account("others") } as const;
        const error = await failure(
          end.read(kv2(identityOn(vault, { mount: "jwt", method }), "app"), forever),
          "VAULT_LOGIN_REFUSED",
        );
        assert.match(error.message, /audience/);
      });

      it("not with a wrong secret id", async () => {
        const identity = await appRole({ vault, cluster }, { policies: ["reader"], secretId: "s3cr3t" });
        const error = await failure(end.read(kv2(identity, "app"), forever), "VAULT_LOGIN_REFUSED");
        assert.match(error.message, /POST auth\/approle\/login.*secret id is not valid/);
      });

      it("nowhere when the auth mount is missing", async () => {
        await failure(
          end.read(kv2({ ...reader, id: "no-mount", mount: "nope" }, "app"), forever),
          "VAULT_LOGIN_REFUSED",
        );
      });

      it("once for 50 reads at once, and not again for as long as the token lasts", async () => {
        const identity = await fresh("1h");
        const first = await audited(vault, () => times(50, () => end.read(kv2(identity, "app"), forever)));
        assert.equal(first(LOGIN), 1);
        assert.equal(first("read kv/data/app"), 50);
        const second = await audited(vault, () => times(50, () => end.read(kv2(identity, "app"), forever)));
        assert.equal(second(LOGIN), 0);
      });

      it("once for all that are refused at once, and for those right after", async () => {
        const identity = await fresh();
        await vault.remove(`auth/approle/role/${identity.role}`);
        const refused = () => failure(end.read(kv2(identity, "app"), forever), "VAULT_LOGIN_REFUSED");
        const counted = await audited(vault, async () => {
          await times(20, refused);
          await refused();
        });
        assert.equal(counted(LOGIN), 1);
      });

      it("for those who still wait when one of them gives up", async () => {
        const identity = await fresh();
        const leaving = new AbortController();
        const left = end.read(kv2(identity, "app"), leaving.signal);
        const stayed = end.read(kv2(identity, "app"), forever);
        leaving.abort();
        await failure(left, "DEADLINE_EXCEEDED");
        assert.equal((await stayed).fields.size, 1);
      });
    });

    describe("renews its tokens", () => {
      it("after two thirds of their life, once, beside the read", async () => {
        await using own = openEnd(cluster);
        const identity = await fresh("300s");
        await own.read(kv2(identity, "app"), forever);
        own.pass(210_000);
        const counted = await audited(vault, async () => {
          await times(20, () => own.read(kv2(identity, "app"), forever));
          await cluster.waitFor("the renewal", async () =>
            (await vault.auditedReads()).has("update auth/token/renew-self"),
          );
        });
        assert.equal(counted(LOGIN), 0);
        assert.equal(counted("update auth/token/renew-self"), 1);
        own.pass(100_000);
        const later = await audited(vault, () => own.read(kv2(identity, "app"), forever));
        assert.equal(later(LOGIN), 0);
      });

      it("or gives them back when nobody uses them for an hour", async () => {
        await using own = openEnd(cluster);
        const before = await accessors(vault);
        await own.read(kv2(await fresh(), "app"), forever);
        const [unused] = (await accessors(vault)).filter((one) => !before.includes(one));
        assert.ok(unused);
        own.pass(3_700_000);
        await own.read(kv2(await fresh(), "app"), forever);
        await cluster.waitFor("the revocation", async () => !(await accessors(vault)).includes(unused));
      });

      it("or logs in again before they end", async () => {
        await using own = openEnd(cluster);
        const identity = await fresh("100s");
        await own.read(kv2(identity, "app"), forever);
        own.pass(91_000);
        const counted = await audited(vault, () => times(20, () => own.read(kv2(identity, "app"), forever)));
        assert.equal(counted(LOGIN), 1);
      });
    });

    describe("is denied", () => {
      it("without a second login when the token is new", async () => {
        const identity = await fresh();
        const counted = await audited(vault, () =>
          times(10, () => failure(end.read(kv2(identity, "closed/app"), forever), "VAULT_DENIED")),
        );
        assert.equal(counted(LOGIN), 1);
      });

      it("with one login more when the token is older, since its role may have got other policies", async () => {
        await using own = openEnd(cluster);
        const identity = await fresh();
        await own.read(kv2(identity, "app"), forever);
        own.pass(60_000);
        const denied = await audited(vault, () =>
          times(25, () => failure(own.read(kv2(identity, "closed/app"), forever), "VAULT_DENIED")),
        );
        assert.equal(denied(LOGIN), 1);
        await vault.writePolicy("open", 'path "kv/data/closed/*" { capabilities = ["read"] }');
        await vault.write(`auth/approle/role/${identity.role}`, { token_policies: "open" });
        own.pass(60_000);
        const allowed = await audited(vault, () => times(25, () => own.read(kv2(identity, "closed/app"), forever)));
        assert.equal(allowed(LOGIN), 1);
      });

      it("no more than once by a token that was revoked behind its back", async () => {
        await using own = openEnd(cluster);
        const identity = await fresh();
        const others = await accessors(vault);
        await own.read(kv2(identity, "app"), forever);
        own.pass(60_000);
        const [accessor] = (await accessors(vault)).filter((one) => !others.includes(one));
        await vault.write("auth/token/revoke-accessor", { accessor });
        const counted = await audited(vault, () => times(50, () => own.read(kv2(identity, "app"), forever)));
        assert.equal(counted(LOGIN), 1);
      });
    });

    describe("in a Vault that is limited or down", () => {
      it("is throttled with Vault's own pause", async () => {
        await vault.write("sys/quotas/config", { enable_rate_limit_response_headers: true });
        await vault.write("sys/quotas/rate-limit/tight", { path: "kv/", rate: 1, interval: "60s" });
        try {
          const reads = await Promise.allSettled(
            Array.from({ length: 5 }, () => end.read(kv2(reader, "app"), forever)),
          );
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
        await end.probe(reader.target, forever);
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
        const hasty = { ...reader, id: "hasty", target: { ...reader.target, timeoutMs: 300 } };
        await end.read(kv2(hasty, "app"), forever);
        vault.pause();
        try {
          // A signal takes a moment to stop every thread of a process.
          await sleep(200);
          await failure(end.read(kv2(hasty, "app"), forever), "VAULT_UNAVAILABLE");
          await failure(end.probe(hasty.target, forever), "VAULT_UNAVAILABLE");
          await failure(end.read(kv2(hasty, "app"), AbortSignal.timeout(100)), "DEADLINE_EXCEEDED");
        } finally {
          vault.resume();
        }
        assert.equal((await end.read(kv2(hasty, "app"), forever)).fields.size, 1);
      });
    });

    it("counts reads and logins by outcome, under names that exist", async () => {
      const metrics = prometheusMetrics();
      await using own = openEnd(cluster, metrics);
      const identity = await fresh();
      await times(3, () => own.read(kv2(identity, "app"), forever));
      await failure(own.read(kv2(identity, "none"), forever), "VAULT_PATH_MISSING");
      const lines = (await metrics.registry.metrics()).split("\n");
      assert.ok(lines.includes('keyferry_vault_reads_total{outcome="ok"} 3'));
      assert.ok(lines.includes('keyferry_vault_reads_total{outcome="VAULT_PATH_MISSING"} 1'));
      assert.ok(lines.includes('keyferry_vault_logins_total{outcome="ok"} 1'));
    });

    it("ends its tokens when it stops", async () => {
      await using own = openEnd(cluster);
      const identities = [await fresh(), await fresh()];
      for (const identity of identities) await own.read(kv2(identity, "app"), forever);
      const counted = await audited(vault, () => own.revokeAll(forever));
      assert.equal(counted("update auth/token/revoke-self"), 2);
      const [again] = identities;
      assert.ok(again);
      const later = await audited(vault, () => own.read(kv2(again, "app"), forever));
      assert.equal(later(LOGIN), 1);
    });
  });
}
