import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { type HttpAnswer, waitFor } from "../../harness/index.ts";
import { ask, databaseRole, fresh, type IssueServers, renew, revokeSelf } from "./world.ts";

const WITH_DEFAULT = { token_no_default_policy: false };
const BATCH = { token_type: "batch", token_ttl: "600s" };

/** What the protocol of an issue takes for granted of login tokens. */
export function tokensContract(flavor: "openbao" | "vault", servers: () => IssueServers): void {
  describe(`login tokens of ${flavor}`, () => {
    let world: IssueServers;
    before(() => {
      world = servers();
    });

    /** A token with the `default` policy and nothing else, and what another token holds. */
    async function twoTokens(settings: Readonly<Record<string, boolean>>) {
      const { vault } = world;
      const { path, login } = await databaseRole(world);
      const other = await login();
      const credential = await ask(vault, path, other.token);
      const role = fresh("bare");
      const { roleId, secretId } = await vault.enableAppRole({ role, policies: [] });
      await vault.write(`auth/approle/role/${role}`, settings);
      const answer = await vault.write("auth/approle/login", { role_id: roleId, secret_id: secretId }, { token: null });
      const token = answer.auth?.client_token ?? "";
      const send = (method: string, at: string, body?: unknown): Promise<HttpAnswer> =>
        vault.request(method, at, body, { token });
      return { send, other, credential, path };
    }

    it("may renew, look up and revoke themselves by the default policy", async () => {
      const { send } = await twoTokens(WITH_DEFAULT);
      assert.equal((await send("GET", "auth/token/lookup-self")).status, 200);
      assert.equal((await send("POST", "auth/token/renew-self")).status, 200);
      assert.equal((await send("POST", "sys/capabilities-self", { paths: ["sys/leases/renew"] })).status, 200);
      assert.equal((await send("POST", "auth/token/revoke-self")).status, 204);
      assert.equal((await send("GET", "auth/token/lookup-self")).status, 403);
    });

    it("may renew and look up each lease whose id they know, another token's too", async () => {
      const { send, credential } = await twoTokens(WITH_DEFAULT);
      assert.equal((await send("POST", "sys/leases/lookup", { lease_id: credential.leaseId })).status, 200);
      assert.equal((await send("POST", "sys/leases/renew", { lease_id: credential.leaseId })).status, 200);
    });

    it("may not revoke a lease, act by an accessor, make tokens or list leases by the default policy", async () => {
      const { send, other, credential, path } = await twoTokens(WITH_DEFAULT);
      for (const [method, at, body] of [
        ["POST", "sys/leases/revoke", { lease_id: credential.leaseId }],
        ["POST", "auth/token/revoke-accessor", { accessor: other.accessor }],
        ["POST", "auth/token/renew-accessor", { accessor: other.accessor }],
        ["POST", "auth/token/create", {}],
        ["LIST", `sys/leases/lookup/${path}`, undefined],
      ] as const)
        assert.equal((await send(method, at, body)).status, 403, at);
    });

    it("may do none of that when their role has token_no_default_policy", async () => {
      const { send, credential } = await twoTokens({ token_no_default_policy: true });
      for (const [method, at, body] of [
        ["GET", "auth/token/lookup-self", undefined],
        ["POST", "auth/token/renew-self", {}],
        ["POST", "auth/token/revoke-self", {}],
        ["POST", "sys/leases/renew", { lease_id: credential.leaseId }],
        ["POST", "sys/leases/lookup", { lease_id: credential.leaseId }],
        ["POST", "sys/capabilities-self", { paths: ["sys/leases/renew"] }],
      ] as const)
        assert.equal((await send(method, at, body)).status, 403, at);
    });

    it("with the least rights of an issuer renew, look up and revoke themselves, and revoke no lease", async () => {
      const { vault } = world;
      const { login } = await databaseRole(world);
      const { token } = await login();
      const own = { token };
      assert.equal((await vault.request("GET", "auth/token/lookup-self", undefined, own)).status, 200);
      assert.equal((await vault.request("POST", "auth/token/renew-self", {}, own)).status, 200);
      assert.equal((await vault.request("POST", "sys/leases/revoke", { lease_id: "x" }, own)).status, 403);
      assert.equal(await revokeSelf(vault, token), 204);
    });

    it("renew-self near token_max_ttl answers 200 with less than was asked", async () => {
      const { vault } = world;
      const { login } = await databaseRole(world, {}, { token_ttl: "60s", token_max_ttl: "90s" });
      const { token } = await login();
      const answer = await vault.request("POST", "auth/token/renew-self", { increment: 3_600 }, { token });
      assert.equal(answer.status, 200, answer.text);
      assert.ok(Number(answer.body.auth?.lease_duration) <= 90, answer.text);
    });

    it("of type batch cut a lease to their own TTL, and cannot be revoked", async () => {
      const { vault, postgres } = world;
      const { path, login } = await databaseRole(world, {}, BATCH);
      const { token, accessor } = await login();
      assert.equal(accessor, "");
      const credential = await ask(vault, path, token);
      assert.ok(credential.seconds <= 600, `${credential.seconds} s`);
      assert.equal(await revokeSelf(vault, token), 400);
      assert.equal((await vault.request("POST", "auth/token/revoke", { token })).status, 400);
      assert.equal(await postgres.login(credential.user, credential.password), true);
      await vault.revokeLease(credential.leaseId);
    });

    it("for one use are refused a lease with 400, and it is revoked", async () => {
      const { vault } = world;
      const { path, login } = await databaseRole(world, {}, { token_num_uses: 1 });
      const { token } = await login();
      const answer = await vault.request("GET", path, undefined, { token });
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.text, /token had one use left/);
      await waitFor("the lease's end", async () => (await vault.leases(path)).length === 0);
    });

    it("that are dead get 403, which a policy's refusal does not look like on OpenBao", async () => {
      const { vault } = world;
      const { path, login } = await databaseRole(world);
      const { token } = await login();
      const refused = await vault.request("GET", "sys/mounts", undefined, { token });
      assert.equal(refused.status, 403);
      assert.match(refused.text, /1 error occurred/);
      await revokeSelf(vault, token);
      const dead = await vault.request("GET", path, undefined, { token });
      assert.equal(dead.status, 403);
      if (flavor === "openbao") assert.deepEqual(dead.body.errors, ["permission denied"]);
      else assert.match(dead.text, /permission denied.*invalid token/s);
    });

    it("that are dead renew nothing: 403, though the lease may live", async () => {
      const { vault } = world;
      const { path, login } = await databaseRole(world);
      const [dead, alive] = [await login(), await login()];
      const { leaseId } = await ask(vault, path, alive.token);
      await revokeSelf(vault, dead.token);
      assert.equal((await renew(vault, leaseId, 60, dead.token)).status, 403);
      assert.equal((await renew(vault, leaseId, 60, alive.token)).status, 200);
    });

    it("count as leases", async () => {
      const { vault } = world;
      const logins = () => vault.leases("auth/approle/login");
      const { login } = await databaseRole(world);
      // Those of earlier tests may still be ending.
      const before = await logins();
      const { token } = await login();
      const added = (await logins()).filter((id) => !before.includes(id));
      assert.equal(added.length, 1);
      await revokeSelf(vault, token);
      await waitFor("the end of the login's lease", async () => !(await logins()).some((id) => added.includes(id)));
    });
  });
}
