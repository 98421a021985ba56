import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { waitFor } from "../../harness/index.ts";
import { fresh, type IssueServers, renew, revokeSelf } from "./world.ts";

interface Reviewed {
  readonly status?: { readonly authenticated?: boolean };
}

/** What the protocol of an issue takes for granted of the engines beside that of leased database users. */
export function enginesContract(flavor: "openbao" | "vault", servers: () => IssueServers): void {
  describe(`issuing engines of ${flavor}`, () => {
    let world: IssueServers;
    before(() => {
      world = servers();
    });

    async function certificate(role: Readonly<Record<string, unknown>>) {
      const { vault } = world;
      const name = fresh("pki");
      await vault.putPkiRole(name, role);
      const { login } = await vault.putIssuer(name, { updates: [`pki/issue/${name}`] });
      const { token } = await login();
      const answer = await vault.write(`pki/issue/${name}`, { common_name: "app.example.com" }, { token });
      const serial = String(answer.data.serial_number);
      const shown = async () =>
        (await vault.request("GET", `pki/cert/${serial}`, undefined, { token: null })).body?.data;
      return { token, answer, serial, shown };
    }

    it("a certificate with generate_lease has a lease that cannot be renewed, and is revoked with its token", async () => {
      const { vault } = world;
      const { token, answer, shown } = await certificate({ generate_lease: true });
      assert.equal(answer.renewable, false);
      assert.match(answer.lease_id ?? "", /^pki\/issue\//);
      assert.equal((await renew(vault, answer.lease_id ?? "", 60)).status, 400);
      assert.equal((await shown())?.revocation_time, 0);
      await revokeSelf(vault, token);
      await waitFor("the certificate's revocation", async () => Number((await shown())?.revocation_time) > 0);
    });

    it("a certificate without a lease outlives its token, and is revoked by its serial", async () => {
      const { vault } = world;
      const { token, answer, serial, shown } = await certificate({});
      assert.equal(answer.lease_id, "");
      await revokeSelf(vault, token);
      assert.equal((await vault.request("GET", "auth/token/lookup-self", undefined, { token })).status, 403);
      assert.equal((await shown())?.revocation_time, 0);
      await vault.write("pki/revoke", { serial_number: serial });
      assert.ok(Number((await shown())?.revocation_time) > 0);
    });

    it("a certificate with no_store is not there to be read or revoked", async () => {
      const { vault } = world;
      const { serial, shown } = await certificate({ no_store: true });
      assert.equal(await shown(), undefined);
      const refused = await vault.request("POST", "pki/revoke", { serial_number: serial });
      assert.ok(refused.status >= 400 && refused.status < 500, `${refused.status} ${refused.text}`);
    });

    it("a certificate is shown to whoever asks, by its serial and without a token", async () => {
      const { answer, shown } = await certificate({});
      assert.equal(String((await shown())?.certificate).trim(), String(answer.data.certificate).trim());
    });

    it("an account's token of the kubernetes engine cannot be renewed, and outlives its revocation", async () => {
      const { vault, cluster } = world;
      const name = fresh("kube");
      await vault.putKubernetesRole(name, { account: "default" });
      const { login } = await vault.putIssuer(name, { updates: [`kubernetes/creds/${name}`] });
      const { token } = await login();
      const answer = await vault.write(`kubernetes/creds/${name}`, { kubernetes_namespace: "default" }, { token });
      assert.equal(answer.renewable, false);
      const leaseId = answer.lease_id ?? "";
      assert.equal((await renew(vault, leaseId, 60, token)).status, 400);
      await revokeSelf(vault, token);
      await waitFor("the lease's end", async () => (await vault.lease(leaseId)) === undefined);
      const review = await cluster.request<Reviewed>("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenReview",
        spec: { token: answer.data.service_account_token },
      });
      assert.equal(review.body.status?.authenticated, true, review.text);
    });

    it("an SSH certificate has no lease: its lifetime is in it", async () => {
      const { vault } = world;
      const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEE0A1pSgfPXhC0g6oIzW9TgxQ0m5jN3vWlyN5u0zGQ2";
      const body = { public_key: publicKey, valid_principals: "ubuntu" };
      const answer = await vault.write("ssh/sign/user", body);
      assert.equal(answer.lease_id, "");
      assert.equal(answer.lease_duration, 0);
      assert.match(String(answer.data.signed_key), /^ssh-ed25519-cert-v01@openssh\.com /);
    });

    it("a static role says when it was rotated and how long its password is good for, and has no lease", async () => {
      const { vault, postgres } = world;
      const name = fresh("static");
      await vault.putStaticRole(postgres, name, { rotationPeriod: "5s" });
      const read = async () => (await vault.read(`database/static-creds/${name}`))?.data ?? {};
      // A password is good until the next rotation, which may come before it is tried.
      const working = (what: string, but?: unknown) =>
        waitFor(what, async () => {
          const now = await read();
          return now.last_vault_rotation !== but && (await postgres.login(name, String(now.password))) && now;
        });
      const first = await working("a password that is good");
      assert.ok(Number(first.ttl) <= 5, `${first.ttl} s`);
      assert.equal(first.rotation_period, 5);
      const next = await working("the rotation", first.last_vault_rotation);
      assert.notEqual(next.password, first.password);
      assert.equal(await postgres.login(name, String(first.password)), false);
      const told = (await vault.auditLines()).filter(({ request }) => request.path.includes(name));
      assert.deepEqual([...new Set(told.map(({ request }) => request.path))].sort(), [
        `database/static-creds/${name}`,
        `database/static-roles/${name}`,
      ]);
      await vault.remove(`database/static-roles/${name}`);
    });

    it(`a static role with a cron schedule is ${flavor === "vault" ? "accepted" : "refused"}`, async () => {
      const { vault, postgres } = world;
      const username = fresh("cron");
      await postgres.query(`CREATE ROLE "${username}" WITH LOGIN`);
      const role = { db_name: "postgres", username, rotation_schedule: "0 0 * * SAT" };
      const answer = await vault.request("POST", `database/static-roles/${username}`, role);
      assert.equal(answer.status, flavor === "vault" ? 204 : 400, answer.text);
    });
  });
}
