import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { isLosslessNumber } from "lossless-json";
import type { VaultIdentity } from "../../lib/ports/vault.ts";
import type { IssuedData, IssueTarget, OwnToken, VaultRequest } from "../../lib/ports/vault-issues.ts";
import { SecretValue } from "../../lib/secret-value.ts";
import { aKey } from "../builders.ts";
import type { ContractVault } from "../core/world/vault.ts";
import type { DatabaseRole } from "../harness/index.ts";
import { appRole, audited, failure, type LoginCluster, openVaultApi, type TestVaultApi, times } from "./vault-world.ts";

const forever = new AbortController().signal;

/** A Vault with the engines `database`, `pki` and `kubernetes`, and what is behind them. */
export interface IssueScene {
  readonly vault: ContractVault;
  readonly cluster: LoginCluster;
  /** Whether this user of the database gets in with this password. */
  login(user: string, password: string): Promise<boolean>;
  /** The database works on a credential. */
  isCreating(): Promise<boolean>;
  putStaticRole(name: string, rotationPeriod: string): Promise<void>;
}

const POLICY = `
path "database/*" { capabilities = ["read", "update"] }
path "pki/*" { capabilities = ["read", "update"] }
path "nowhere/*" { capabilities = ["read"] }
path "database/creds/closed" { capabilities = ["deny"] }`;
const REVOKES = 'path "sys/leases/revoke/*" { capabilities = ["update"] }';
const REVOKES_IN_BODY = 'path "sys/leases/revoke" { capabilities = ["update"] }';
/** Long enough to do something meanwhile on a machine that is busy. */
const SLOW = { creationSeconds: 8 };

let roles = 0;

/** What is owed by requests that issue, renew and end, on any Vault. */
export function issueApiContract(name: string, scene: () => IssueScene): void {
  describe(`credentials of ${name}`, () => {
    let here: IssueScene;
    let vault: ContractVault;
    let end: TestVaultApi;

    before(async () => {
      here = scene();
      vault = here.vault;
      end = openVaultApi(here.cluster);
      await vault.writePolicy("issuer", POLICY);
      await vault.writePolicy("revoker", REVOKES);
    });
    after(() => end[Symbol.asyncDispose]());

    /** An identity with a role of its own, and with these settings of it. */
    const identityWith = async (
      settings: Readonly<Record<string, unknown>> = {},
      policies: readonly string[] = ["issuer"],
    ): Promise<VaultIdentity> => {
      const identity = await appRole(here, { policies, ttl: "10m" });
      await vault.write(`auth/approle/role/${identity.role}`, settings);
      return identity;
    };
    const aRole = async (role: DatabaseRole = {}): Promise<VaultRequest> => {
      const role_ = `app-${++roles}`;
      await vault.putDatabaseRole(role_, role);
      return { method: "GET", mount: "database", path: `creds/${role_}` };
    };
    const wayOf = ({ target }: VaultIdentity): IssueTarget => ({ target });
    const text = ({ fields }: IssuedData, field: string): string => String(fields.get(field));
    const number = ({ fields }: IssuedData, field: string): number => {
      const value = fields.get(field);
      return isLosslessNumber(value) ? Number(value.value) : Number.NaN;
    };
    const logsIn = (issued: IssuedData) => here.login(text(issued, "username"), text(issued, "password"));
    const leaseOf = ({ lease }: IssuedData) => lease ?? assert.fail("it has no lease");
    const until = (what: string, isSo: () => Promise<boolean>) => here.cluster.waitFor(what, isSo);
    const untilGone = (issued: IssuedData) =>
      until("the end of the credential", async () => {
        return (await vault.lease(leaseOf(issued).id)) === undefined && !(await logsIn(issued));
      });

    interface Issue {
      readonly way: IssueTarget;
      readonly own: OwnToken;
      readonly issued: IssuedData;
    }
    const anIssue = async (
      request: VaultRequest | Promise<VaultRequest> = aRole(),
      identity: VaultIdentity | Promise<VaultIdentity> = identityWith(),
    ): Promise<Issue> => {
      const way = wayOf(await identity);
      const own = await end.issues.login(await identity, forever);
      return { way, own, issued: await end.issues.issue(way, own.value, await request, forever) };
    };

    describe("a login of its own", () => {
      it("has a token each time, and says what it is", async () => {
        const identity = await identityWith();
        const counted = await audited(vault, async () => {
          const tokens = await times(3, () => end.issues.login(identity, forever));
          assert.equal(new Set(tokens.map(({ value }) => value.reveal().toString())).size, 3);
          for (const { value: _secret, ...rest } of tokens) {
            assert.deepEqual(rest, { seconds: 600, renewable: true, uses: 0, isBatch: false });
          }
        });
        assert.equal(counted("update auth/approle/login"), 3);
      });

      it("is refused as that of a read is", async () => {
        const identity = await appRole(here, { policies: ["issuer"], secretId: "s3cr3t" });
        await failure(end.issues.login(identity, forever), "VAULT_LOGIN_REFUSED");
      });
    });

    it("is refused to a read of kv-v1, which would issue another one each time", async () => {
      const { mount, path } = await aRole();
      const read = { identity: await identityWith(), mount, path, engine: "kv-v1", version: 0 } as const;
      await failure(end.read(read, forever), "UNSUPPORTED");
      const who = { identity: read.identity, by: aKey() };
      await failure(end.writes.mountOf(who, `${mount}/${path}`, forever), "UNSUPPORTED");
    });

    describe("an issue", () => {
      it("is a credential that logs in, with its lease, and one request", async () => {
        const request = await aRole({ defaultTtl: "5m" });
        let made: Issue | undefined;
        const counted = await audited(vault, async () => {
          made = await anIssue(request);
        });
        const { issued, own, way } = made ?? assert.fail();
        assert.equal(counted(`read database/${request.path}`), 1);
        assert.equal(await logsIn(issued), true);
        const lease = leaseOf(issued);
        assert.ok(lease.id.startsWith(`database/${request.path}/`));
        assert.ok(lease.seconds > 290 && lease.seconds <= 300, `${lease.seconds} s`);
        assert.equal(lease.renewable, true);
        assert.notEqual(issued.requestId, "");
        assert.deepEqual(await vault.leases(`database/${request.path}`), [lease.id]);
        assert.equal(await end.issues.revokeToken(way, own.value, forever), "ended");
      });

      it("that Vault refuses has done nothing, and says what to look at", async () => {
        const identity = await identityWith();
        const own = await end.issues.login(identity, forever);
        const ask = (request: Partial<VaultRequest>) =>
          end.issues.issue(
            wayOf(identity),
            own.value,
            { method: "GET", mount: "database", path: "creds/none", ...request },
            forever,
          );
        for (const [request, code, says] of [
          [{}, "VAULT_ANSWER_INVALID", /there is no such role/],
          [{ path: "creds/closed" }, "VAULT_DENIED", /must allow this path/],
          [{ mount: "nowhere" }, "VAULT_PATH_MISSING", /no such mount, path or role/],
          [{ method: "POST", body: { ttl: 60 } }, "VAULT_ANSWER_INVALID", /does not take this method/],
        ] as const) {
          const error = await failure(ask(request), code);
          assert.equal(error.outcome, "none");
          assert.match(error.message, says);
        }
        await end.issues.revokeToken(wayOf(identity), own.value, forever);
      });

      it("without an answer in time may have been carried out", async () => {
        const identity = await identityWith();
        const request = await aRole(SLOW);
        const own = await end.issues.login(identity, forever);
        const way = { target: { ...identity.target, timeoutMs: 1_000 } };
        const error = await failure(end.issues.issue(way, own.value, request, forever), "VAULT_UNAVAILABLE");
        assert.equal(error.outcome, "unknown");
        await until("the end of the creation", async () => !(await here.isCreating()));
        assert.equal(await end.issues.revokeToken(wayOf(identity), own.value, forever), "ended");
      });

      it("whose caller gives up may have been carried out", async () => {
        const identity = await identityWith();
        const request = await aRole(SLOW);
        const own = await end.issues.login(identity, forever);
        const leaving = new AbortController();
        const asked = end.issues.issue(wayOf(identity), own.value, request, leaving.signal);
        asked.catch(() => undefined);
        await until("the creation", here.isCreating);
        leaving.abort();
        assert.equal((await failure(asked, "DEADLINE_EXCEEDED")).outcome, "unknown");
        assert.equal(await end.issues.revokeToken(wayOf(identity), own.value, forever), "ended");
        // Else the next test takes it for its own.
        await until("the end of the creation", async () => !(await here.isCreating()));
      });

      it("outlives its token if that is revoked meanwhile", async () => {
        const identity = await identityWith();
        const way = wayOf(identity);
        const own = await end.issues.login(identity, forever);
        const asked = end.issues.issue(way, own.value, await aRole(SLOW), forever);
        await until("the creation", here.isCreating);
        assert.equal(await end.issues.revokeToken(way, own.value, forever), "ended");
        const issued = await asked;
        assert.equal(await logsIn(issued), true);
        assert.notEqual((await end.issues.renewLease(way, own.value, leaseOf(issued), forever)).kind, "renewed");
        const { value } = await end.issues.login(await identityWith({}, ["revoker"]), forever);
        const looked = await end.issues.lookUpLease(way, value, leaseOf(issued).id, forever);
        assert.ok(looked.kind === "renewed" && looked.seconds > 3_000);
        assert.equal(await end.issues.revokeLease(way, value, leaseOf(issued).id, forever), "ended");
        await untilGone(issued);
      });

      it("of a token for a single use is refused, and leaves nothing", async () => {
        const identity = await identityWith({ token_num_uses: 1 });
        const own = await end.issues.login(identity, forever);
        assert.equal(own.uses, 1);
        const request = await aRole();
        const asked = end.issues.issue(wayOf(identity), own.value, request, forever);
        const error = await failure(asked, "VAULT_ANSWER_INVALID");
        assert.equal(error.outcome, "none");
        assert.match(error.message, /single use.*token_num_uses/);
        await until("the end of the lease", async () => (await vault.leases(`database/${request.path}`)).length === 0);
      });
    });

    describe("a renewal", () => {
      it("of the lease and of the token gives what was asked, or what is left to the maximum", async () => {
        // Long, for what a maximum leaves counts from the issue, and becomes less meanwhile.
        const identity = identityWith({ token_ttl: "600s", token_max_ttl: "900s" });
        const { way, own, issued } = await anIssue(aRole({ defaultTtl: "300s", maxTtl: "400s" }), identity);
        const { id } = leaseOf(issued);
        assert.deepEqual(await end.issues.renewLease(way, own.value, { id, seconds: 200 }, forever), {
          ...{ kind: "renewed", seconds: 200, renewable: true },
        });
        const long = await end.issues.renewLease(way, own.value, { id, seconds: 3_600 }, forever);
        assert.ok(long.kind === "renewed" && long.seconds > 200 && long.seconds <= 400, JSON.stringify(long));
        const token = await end.issues.renewToken(way, own.value, 600, forever);
        assert.deepEqual(token, { kind: "renewed", seconds: 600, renewable: true });
        const most = await end.issues.renewToken(way, own.value, 3_600, forever);
        assert.ok(most.kind === "renewed" && most.seconds > 600 && most.seconds <= 900, JSON.stringify(most));
        assert.equal(await logsIn(issued), true);
        const looked = await end.issues.lookUpLease(way, own.value, id, forever);
        assert.ok(looked.kind === "renewed" && looked.seconds > 0 && looked.seconds <= 400 && looked.renewable);
        await end.issues.revokeToken(way, own.value, forever);
      });

      it("of a lease that is not there finds it gone", async () => {
        const { way, own } = await anIssue();
        const lease = { id: "database/creds/app/gone", seconds: 60 };
        assert.deepEqual(await end.issues.renewLease(way, own.value, lease, forever), { kind: "gone" });
        assert.deepEqual(await end.issues.lookUpLease(way, own.value, lease.id, forever), { kind: "gone" });
        await end.issues.revokeToken(way, own.value, forever);
      });

      it("of another token's lease is by its id, with the shared token of an identity", async () => {
        const { way, own, issued } = await anIssue(aRole({ defaultTtl: "5m", maxTtl: "1h" }));
        const [identity, plain] = [await identityWith({}, ["revoker"]), await identityWith()];
        const lease = { id: leaseOf(issued).id, seconds: 600, by: aKey("db") };
        const renewed = await end.issues.renewForeign({ ...lease, identity: plain }, forever);
        assert.deepEqual(renewed, { kind: "renewed", seconds: 600, renewable: true });
        assert.equal(await end.issues.revokeForeign({ ...lease, identity: plain }, forever), "denied");
        const shared = await end.issues.lookUpShared(identity, aKey("db"), forever);
        assert.ok(shared.kind === "found" && shared.seconds === 600 && shared.renewable && !shared.isBatch);
        const [token, looked] = [
          await end.issues.lookUpToken(way, own.value, forever),
          await end.issues.lookUpLease(way, own.value, lease.id, forever),
        ];
        assert.ok(token.kind === "found" && token.seconds === 600 && token.uses === 0);
        assert.ok(looked.kind === "renewed" && (looked.issuedAt ?? 0) >= token.createdAt);
        assert.equal(await end.issues.revokeForeign({ ...lease, identity }, forever), "ended");
        await untilGone(issued);
        await end.issues.revokeToken(way, own.value, forever);
      });

      it("of a certificate's lease finds that it ends", async () => {
        await vault.putPkiRole("leased", { generate_lease: true, allow_any_name: true, enforce_hostnames: false });
        const body = { common_name: "app.example.com" };
        const { way, own, issued } = await anIssue({ method: "POST", mount: "pki", path: "issue/leased", body });
        const lease = leaseOf(issued);
        assert.equal(lease.renewable, false);
        assert.deepEqual(await end.issues.renewLease(way, own.value, lease, forever), { kind: "gone" });
        const revocation = async () => {
          const path = `pki/cert/${text(issued, "serial_number")}`;
          return Number((await vault.request("GET", path, undefined, { token: null })).body.data.revocation_time);
        };
        assert.equal(await revocation(), 0);
        assert.equal(await end.issues.revokeToken(way, own.value, forever), "ended");
        await until("the revocation", async () => (await revocation()) > 0);
      });
    });

    describe("the end", () => {
      it("of a token takes its credential along, and is answered as often as it is asked for", async () => {
        const { way, own, issued } = await anIssue();
        const others = await anIssue();
        for (const _time of [1, 2]) assert.equal(await end.issues.revokeToken(way, own.value, forever), "ended");
        await untilGone(issued);
        assert.notEqual((await end.issues.renewLease(way, own.value, leaseOf(issued), forever)).kind, "renewed");
        assert.notEqual((await end.issues.renewToken(way, own.value, 60, forever)).kind, "renewed");
        assert.equal(await logsIn(others.issued), true);
        await end.issues.revokeToken(others.way, others.own.value, forever);
      });

      it("of a token that never was is none to wait for", async () => {
        const way = wayOf(await identityWith());
        assert.equal(await end.issues.revokeToken(way, SecretValue.of("hvs.never"), forever), "ended");
      });

      it("is denied where the role has token_no_default_policy, as all else is", async () => {
        const { way, own, issued } = await anIssue(aRole(), identityWith({ token_no_default_policy: true }));
        const { id } = leaseOf(issued);
        assert.equal(await end.issues.revokeToken(way, own.value, forever), "denied");
        assert.equal(await end.issues.revokeLease(way, own.value, id, forever), "denied");
        assert.deepEqual(await end.issues.renewLease(way, own.value, { id, seconds: 60 }, forever), { kind: "denied" });
        assert.deepEqual(await end.issues.renewToken(way, own.value, 60, forever), { kind: "denied" });
        assert.deepEqual(await end.issues.lookUpLease(way, own.value, id, forever), { kind: "denied" });
        assert.deepEqual(await end.issues.endRights(way, own.value, forever), { token: true, lease: true });
        assert.equal(await logsIn(issued), true);
      });

      it("is by the token alone where the role has the default policy", async () => {
        const { way, own, issued } = await anIssue();
        assert.deepEqual(await end.issues.endRights(way, own.value, forever), { token: true, lease: false });
        assert.equal(await end.issues.revokeLease(way, own.value, leaseOf(issued).id, forever), "denied");
        await end.issues.revokeToken(way, own.value, forever);
      });

      it("is by the lease's id where a policy allows that", async () => {
        await vault.writePolicy("asker", 'path "sys/capabilities-self" { capabilities = ["update"] }');
        await vault.writePolicy("body-revoker", REVOKES_IN_BODY);
        await vault.writePolicy(
          "strict-revoker",
          'path "sys/leases/revoke" {\n capabilities = ["update"]\n allowed_parameters = { "lease_id" = [] }\n}',
        );
        for (const [revoker, times] of [
          ["revoker", 0],
          ["body-revoker", 2],
          // It refuses the mark first.
          ["strict-revoker", 4],
        ] as const) {
          const settings = { token_no_default_policy: true, token_policies: ["issuer", revoker, "asker"] };
          const { way, own, issued } = await anIssue(aRole(), identityWith(settings));
          const { id } = leaseOf(issued);
          assert.deepEqual(await end.issues.endRights(way, own.value, forever), { token: false, lease: true });
          const counted = await audited(vault, async () => {
            for (const _time of [1, 2]) {
              assert.equal(await end.issues.revokeLease(way, own.value, id, forever), "ended");
            }
          });
          assert.equal(counted(`update sys/leases/revoke/${id}`), 2, "the audit log names the lease");
          assert.equal(counted("update sys/leases/revoke"), times);
          await untilGone(issued);
        }
      });

      it("of a batch token comes by itself, with its lease", async () => {
        const identity = identityWith({ token_type: "batch", token_ttl: "300s", token_max_ttl: "300s" });
        const { way, own, issued } = await anIssue(aRole(), identity);
        assert.equal(own.isBatch, true);
        assert.ok(leaseOf(issued).seconds <= 300);
        assert.equal(await end.issues.revokeToken(way, own.value, forever), "denied");
        assert.deepEqual(await end.issues.endRights(way, own.value, forever), { token: false, lease: false });
        assert.deepEqual(await end.issues.renewToken(way, own.value, 60, forever), { kind: "gone" });
        assert.equal(await logsIn(issued), true);
      });
    });

    describe("with the shared token", () => {
      const pki = (path: string, body: Readonly<Record<string, string>>): VaultRequest => ({
        ...{ method: "POST", mount: "pki", path, body },
      });

      it("certificates are issued by a role and by an issuer, after one login, and revoked by their serials", async () => {
        await vault.putPkiRole("plain", { allow_any_name: true, enforce_hostnames: false, max_ttl: "24h" });
        const identity = await identityWith();
        const order = { common_name: "app.example.com", alt_names: "b.example.com,c.example.com", ttl: "600s" };
        const counted = await audited(vault, async () => {
          for (const path of ["issue/plain", "issuer/default/issue/plain"]) {
            const issued = await end.issues.ask(identity, pki(path, order), aKey(), false, forever);
            assert.equal(issued.lease, undefined);
            const certificate = new X509Certificate(text(issued, "certificate"));
            assert.equal(certificate.checkHost("b.example.com"), "b.example.com");
            const left = Date.parse(certificate.validTo) - end.now();
            assert.ok(left > 500_000 && left <= 601_000, `${left} ms`);
            const serial = text(issued, "serial_number");
            assert.equal(certificate.serialNumber.toLowerCase(), serial.replaceAll(":", ""));
            assert.equal(number(issued, "expiration") * 1_000, Date.parse(certificate.validTo));
            assert.match(text(issued, "private_key"), /PRIVATE KEY/);
            assert.ok(certificate.verify(new X509Certificate(text(issued, "issuing_ca")).publicKey));
            const revoked = pki("revoke", { serial_number: serial });
            assert.ok(number(await end.issues.ask(identity, revoked, aKey(), true, forever), "revocation_time") > 0);
          }
        });
        assert.equal(counted("update auth/approle/login"), 1);
      });

      it("static roles are read, and have no lease", async () => {
        const user = `static-${++roles}`;
        await here.putStaticRole(user, "1h");
        const request = { method: "GET", mount: "database", path: `static-creds/${user}` } as const;
        const issued = await end.issues.ask(await identityWith(), request, aKey(), true, forever);
        assert.equal(issued.lease, undefined);
        assert.ok(number(issued, "ttl") > 3_500 && number(issued, "ttl") <= 3_600);
        assert.equal(number(issued, "rotation_period"), 3_600);
        assert.ok(Math.abs(Date.parse(text(issued, "last_vault_rotation")) - end.now()) < 60_000);
        assert.equal(await logsIn(issued), true);
      });

      it("what is refused fails as a read does, without a second login", async () => {
        const identity = await identityWith();
        const request = { method: "GET", mount: "database", path: "creds/closed" } as const;
        const counted = await audited(vault, () =>
          failure(end.issues.ask(identity, request, aKey(), false, forever), "VAULT_DENIED"),
        );
        assert.equal(counted("update auth/approle/login"), 1);
      });
    });
  });
}
