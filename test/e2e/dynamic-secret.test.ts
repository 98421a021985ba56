import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { type RunningEngine, startEngine, status } from "./support/engine.ts";
import { aDynamicSecret, enablePkiInTeam, type IssuingPlace, startIssuing } from "./support/issuing.ts";
import { authMount, ROLE } from "./support/world.ts";

const NS = "team-a";
const KIND = "VaultDynamicSecret";
/** A machine that is busy is no defect. */
const LONG_MS = 120_000;
/** Renewed at two thirds: a third is what an engine may be late on such a machine. */
const LEASE_S = 40;

/** As `ssh-keygen` writes it. */
function sshPublicKey(): string {
  const { x = "" } = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" });
  const part = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
  const parts = [part(Buffer.from("ssh-ed25519")), part(Buffer.from(x, "base64url"))];
  return `ssh-ed25519 ${Buffer.concat(parts).toString("base64")}`;
}

interface Login {
  readonly user: string;
  readonly password: string;
}

describe("a VaultDynamicSecret: credentials that log in, renewed, issued anew and ended", { concurrency: true }, () => {
  for (const flavor of ["openbao", "vault"] as const) {
    describe(flavor, { concurrency: 1 }, () => {
      let world: IssuingPlace;
      let engine: RunningEngine;

      before(async () => {
        world = await startIssuing(NS, { vault: { flavor } });
        const { vault } = world.world;
        await Promise.all([
          ...["app", "other"].map((role) => vault.putDatabaseRole(role, { defaultTtl: `${LEASE_S}s`, maxTtl: "1h" })),
          // Longer than a start of the engine.
          vault.putDatabaseRole("kept", { defaultTtl: "1m", maxTtl: "1h" }),
          vault.putStaticRole(world.postgres, "fixed", { rotationPeriod: "10s" }),
          vault.enableSsh({ role: "user", ttl: "40s" }),
          vault.enableKubernetesSecrets(world.cluster),
          flavor === "openbao" ? enablePkiInTeam(world.world) : undefined,
        ]);
        await vault.putKubernetesRole("robot", { account: "app" });
        engine = await startEngine(world.world);
      });
      after(async () => {
        await engine?.[Symbol.asyncDispose]();
        await world?.[Symbol.asyncDispose]();
      });

      const secret = async (name: string, isSo: (login: Login) => boolean = () => true): Promise<Login> => {
        const of = (data: Readonly<Record<string, string>>) => ({
          user: data.username ?? "",
          password: data.password ?? "",
        });
        const isWritten = ({ password }: Login) => password !== "";
        const { data } = await world.place.secretThat(
          name,
          ({ data }) => isWritten(of(data)) && isSo(of(data)),
          LONG_MS,
        );
        return of(data);
      };
      const logsIn = async ({ user, password }: Login) =>
        assert.equal(await world.postgres.login(user, password), true, `${user} does not log in`);
      /** Logs in again and again until that time. */
      const logsInUntil = (login: Login, at: number) =>
        world.cluster.waitFor(
          `${login.user} to be good until ${new Date(at).toISOString()}`,
          async () => {
            await logsIn(login);
            return Date.now() > at;
          },
          LONG_MS,
        );
      const statusOf = async (name: string) =>
        ((await world.place.resource(name, KIND))?.status ?? {}) as {
          readonly secretLease?: { readonly id?: string; readonly duration?: number; readonly renewable?: boolean };
          readonly staticCredsMetaData?: { readonly rotationSchedule?: string; readonly rotationPeriod?: number };
        };

      const vaultAuth = (headers: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>> = {}) => ({
        ...{ apiVersion: "secrets.hashicorp.com/v1beta1", kind: "VaultAuth" },
        metadata: { name: "mine", namespace: NS, labels },
        spec: {
          ...{ method: "kubernetes", mount: authMount(world.cluster), headers },
          kubernetes: { role: ROLE, serviceAccount: "app" },
        },
      });

      it("outlives a stop and a start of keyferry", async () => {
        await world.cluster.apply(vaultAuth({}));
        await world.cluster.apply(aDynamicSecret(NS, "kept", { path: "creds/kept", vaultAuthRef: "mine" }));
        const first = await secret("kept");
        assert.equal(await engine.stop(), 0);
        await logsIn(first);
        engine = await startEngine(world.world);
        await logsIn(first);
        assert.deepEqual(await secret("kept"), first);
      });

      describe("with an engine that stays", { concurrency: true }, () => {
        it("outlives an edit of its VaultAuth, and the sweep of its token; another login issues anew", async () => {
          const first = await secret("kept");
          const issued = Date.now();
          await world.cluster.apply(vaultAuth({}, { a: "b" }));
          await logsInUntil(first, issued + 25_000);
          assert.deepEqual(await secret("kept"), first);
          await world.cluster.apply(vaultAuth({ "X-Team": "a" }));
          const second = await secret("kept", ({ user }) => user !== first.user);
          for (const login of [first, second]) await logsIn(login);
        });

        describe("of a database, from its declaration to its end", { concurrency: 1 }, () => {
          it("is written when it is declared: it logs in, and Vault has one lease", async () => {
            await world.cluster.apply(aDynamicSecret(NS, "db"));
            await logsIn(await secret("db"));
            assert.equal((await world.leases()).length, 1);
            await world.cluster.waitFor("the status", async () => {
              const { secretLease } = await statusOf("db");
              return secretLease?.id === (await world.leases())[0] && secretLease?.duration === LEASE_S;
            });
          });

          it("shows its lease with the time that Vault gives it", async () => {
            const [lease] = await world.leases();
            const shown = await world.cluster.waitFor("the lease", async () => {
              const { leases = [] } = await status(world.world, { args: ["--leases"] });
              return leases.find((one) => one.lease === lease);
            });
            assert.equal(shown.state, "live");
            assert.ok(shown.left !== undefined && shown.left > 0 && shown.left <= LEASE_S, JSON.stringify(shown));
          });

          it("is renewed: the same credential logs in all the time, and after more than its lease", async () => {
            const first = await secret("db");
            const [id] = await world.leases();
            const issued = Date.parse((await world.world.vault.lease(id ?? ""))?.issueTime ?? "");
            await logsInUntil(first, issued + (LEASE_S + 10) * 1_000);
            assert.deepEqual(await secret("db"), first);
            assert.deepEqual(await world.leases(), [id]);
          });

          it("is issued anew when Vault has ended it, and the new one logs in", async () => {
            const first = await secret("db");
            const [id = ""] = await world.leases();
            await world.world.vault.revokeLease(id);
            await logsIn(await secret("db", ({ user }) => user !== first.user));
            assert.equal((await world.leases()).length, 1);
          });

          it("a hand edit is mended by another credential", async () => {
            const first = await secret("db");
            await world.place.patchSecret("db", { data: { password: "aGFjaw==" } });
            await logsIn(await secret("db", ({ user }) => user !== first.user));
            await logsIn(first);
          });

          it("ends with its declaration", async () => {
            const last = await secret("db");
            await world.cluster.delete(aDynamicSecret(NS, "db"));
            await world.cluster.waitFor(
              "no lease to be left",
              async () => (await world.leases()).length === 0,
              LONG_MS,
            );
            assert.equal(await world.postgres.login(last.user, last.password), false);
            assert.equal(await world.place.secret("db"), undefined);
          });
        });

        it("a wish issues another one: the old one logs in until its own end, the new one all the time", async () => {
          const spec = { path: "creds/other" };
          await world.cluster.apply(aDynamicSecret(NS, "other", spec));
          const first = await secret("other");
          await world.cluster.apply(aDynamicSecret(NS, "other", spec, { "keyferry.dev/refresh": "1" }));
          const second = await secret("other", ({ user }) => user !== first.user);
          for (const login of [first, second]) await logsIn(login);
          await world.cluster.waitFor(
            "the end of the old one",
            async () => {
              await logsIn(second);
              return !(await world.postgres.login(first.user, first.password));
            },
            LONG_MS,
          );
          // Vault drops the user first, and then the lease from its list.
          await world.cluster.waitFor("one lease", async () => (await world.leases("other")).length === 1, LONG_MS);
        });

        it("of a static role follows each rotation", async () => {
          const spec = { path: "static-creds/fixed", allowStaticCreds: true };
          await world.cluster.apply(aDynamicSecret(NS, "fixed", spec));
          let last = await secret("fixed");
          for (let rotations = 0; rotations < 2; rotations++) {
            last = await secret("fixed", ({ password }) => password !== last.password);
            await world.cluster.waitFor("the present password to log in", async () => {
              const { user, password } = await secret("fixed");
              return world.postgres.login(user, password);
            });
          }
          assert.equal((await statusOf("fixed")).staticCredsMetaData?.rotationPeriod, 10);
          assert.deepEqual(await world.world.vault.leases("database/static-creds"), []);
        });

        it("of SSH is signed anew at renewalPercent of the certificate's own life", async () => {
          const params = { public_key: sshPublicKey(), valid_principals: "someone" };
          const spec = { mount: "ssh", path: "sign/user", params, renewalPercent: 25 };
          await world.cluster.apply(aDynamicSecret(NS, "ssh", spec));
          const { data } = await world.place.secretThat("ssh", ({ data }) => data.signed_key !== undefined, LONG_MS);
          await world.place.secretThat("ssh", (secret) => secret.data.signed_key !== data.signed_key, LONG_MS);
        });

        it("is replaced at renewalPercent of its life when it can't be renewed", async () => {
          const params = { kubernetes_namespace: NS, ttl: "600s" };
          const spec = { mount: "kubernetes", path: "creds/robot", params, renewalPercent: 5 };
          await world.cluster.apply(aDynamicSecret(NS, "robot", spec));
          const { data } = await world.place.secretThat(
            "robot",
            (found) => found.data.service_account_token !== "",
            LONG_MS,
          );
          assert.equal(data.service_account_namespace, NS);
          assert.equal((await statusOf("robot")).secretLease?.renewable ?? false, false);
          const { service_account_token: token } = data;
          await world.place.secretThat("robot", (found) => found.data.service_account_token !== token, LONG_MS);
        });

        if (flavor === "openbao") {
          it("asks in the Vault namespace that it names, and ends there what it got", async () => {
            const params = { common_name: "dynamic.example.com" };
            const spec = { namespace: "team", mount: "pki", path: "issue/web", params };
            await world.cluster.apply(aDynamicSecret(NS, "team", spec));
            const { data } = await world.place.secretThat(
              "team",
              ({ data }) => data.serial_number !== undefined,
              LONG_MS,
            );
            const revokedAt = async () => {
              const read = await world.world.vault.read(`pki/cert/${data.serial_number}`, { namespace: "team" });
              return Number(read?.data.revocation_time ?? 0);
            };
            assert.equal(await revokedAt(), 0);
            await world.cluster.delete(aDynamicSecret(NS, "team"));
            await world.cluster.waitFor("its revocation", async () => (await revokedAt()) > 0, LONG_MS);
          });
        } else {
          it("of a static role with a schedule tells of it", async () => {
            const { vault } = world.world;
            await world.postgres.query('CREATE ROLE "weekly" WITH LOGIN');
            await vault.write("database/static-roles/weekly", {
              ...{ db_name: "postgres", username: "weekly", rotation_schedule: "0 0 * * SAT" },
              rotation_statements: [`ALTER ROLE "{{name}}" WITH PASSWORD '{{password}}';`],
            });
            await world.cluster.apply(
              aDynamicSecret(NS, "weekly", { path: "static-creds/weekly", allowStaticCreds: true }),
            );
            await logsIn(await secret("weekly"));
            await world.cluster.waitFor("its status", async () => {
              const { staticCredsMetaData } = await statusOf("weekly");
              return staticCredsMetaData?.rotationSchedule === "0 0 * * SAT";
            });
          });
        }
      });
    });
  }
});
