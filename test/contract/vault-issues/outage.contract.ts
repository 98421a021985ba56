import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { waitFor } from "../../harness/index.ts";
import { ask, databaseRole, type IssueServers, renew, revokeSelf, untilGone } from "./world.ts";

/** What a Vault does while its database is down. Needs a database for itself. */
export function outageContract(flavor: "openbao" | "vault", servers: () => IssueServers): void {
  describe(`${flavor} while the database is down`, () => {
    it("answers 204 to revoke-self, keeps the lease on its list, and revokes it when the database is back", async () => {
      const world = servers();
      const { vault, postgres } = world;
      const { path, login } = await databaseRole(world);
      const { token } = await login();
      const credential = await ask(vault, path, token);
      await postgres.stop();
      assert.equal(await revokeSelf(vault, token), 204);
      const isDead = async () => (await vault.request("GET", path, undefined, { token })).status === 403;
      await waitFor("the token's end", isDead);
      assert.deepEqual(await vault.leases(path), [credential.leaseId]);
      // Vault tries again by itself, and may do so as soon as the database is back.
      vault.pause();
      try {
        await postgres.start();
        assert.equal(await postgres.login(credential.user, credential.password), true);
      } finally {
        vault.resume();
      }
      await untilGone(world, credential);
    });

    it("answers 400 to a renewal, as for a lease that is gone: a look-up finds the lease, and later it is renewed", async () => {
      const world = servers();
      const { vault, postgres } = world;
      const { path, login } = await databaseRole(world);
      const { token } = await login();
      const { leaseId } = await ask(vault, path, token);
      await postgres.stop();
      const renewal = await renew(vault, leaseId, 60, token);
      assert.equal(renewal.status, 400, renewal.text);
      assert.equal((await vault.request("POST", "sys/leases/lookup", { lease_id: leaseId }, { token })).status, 200);
      await postgres.start();
      assert.equal((await renew(vault, leaseId, 60, token)).status, 200);
    });

    it("issues nothing, with a status of 500, and no lease", async () => {
      const world = servers();
      const { vault, postgres } = world;
      const { path, login } = await databaseRole(world);
      const { token } = await login();
      await postgres.stop();
      const answer = await vault.request("GET", path, undefined, { token });
      assert.equal(answer.status, 500, answer.text);
      assert.deepEqual(await vault.leases(path), []);
      await postgres.start();
    });
  });
}
