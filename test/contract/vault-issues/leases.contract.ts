import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { startVault, waitFor } from "../../harness/index.ts";
import {
  ask,
  credentialOf,
  databaseRole,
  HELD,
  holdCreations,
  type IssueServers,
  isCreating,
  renew,
  revokeSelf,
  untilAnswered,
  untilForgotten,
  untilGone,
} from "./world.ts";

/** What the protocol of an issue takes for granted of leases. */
export function leasesContract(flavor: "openbao" | "vault", servers: () => IssueServers): void {
  describe(`leases of ${flavor}`, () => {
    let world: IssueServers;
    before(() => {
      world = servers();
    });

    it("end with the service token that asked for them, after revoke-self has answered 204", async () => {
      const { vault, postgres } = world;
      const { path, login } = await databaseRole(world);
      const { token } = await login();
      const [first, second] = [await ask(vault, path, token), await ask(vault, path, token)];
      assert.equal(await postgres.login(first.user, first.password), true);
      assert.deepEqual(await vault.leases(path), [first.leaseId, second.leaseId].sort());
      assert.equal(await revokeSelf(vault, token), 204);
      await untilGone(world, first);
      await untilGone(world, second);
    });

    it("stay when another login of the same role is revoked", async () => {
      const { vault, postgres } = world;
      const { path, login } = await databaseRole(world);
      const [mine, others] = [await login(), await login()];
      const [kept, lost] = [await ask(vault, path, mine.token), await ask(vault, path, others.token)];
      await revokeSelf(vault, others.token);
      await untilGone(world, lost);
      assert.equal(await postgres.login(kept.user, kept.password), true);
      assert.deepEqual(await vault.leases(path), [kept.leaseId]);
    });

    it("end with tokens that somebody else revokes, by whatever request names them", async () => {
      const { vault } = world;
      for (const [method, at, body] of [
        ["POST", "auth/token/revoke", ({ token }) => ({ token })],
        ["POST", "auth/token/revoke-accessor", ({ accessor }) => ({ accessor })],
        ["POST", "auth/token/revoke-orphan", ({ token }) => ({ token })],
        ["POST", "sys/leases/revoke-prefix/auth/MOUNT", () => ({})],
        ["POST", "sys/leases/revoke-force/auth/MOUNT", () => ({})],
        ["DELETE", "sys/auth/MOUNT", () => undefined],
      ] as readonly (readonly [string, string, (of: Login) => unknown])[]) {
        const { credential, mount, ...login } = await atOwnLogin(world);
        const { status, text } = await vault.request(method, at.replace("MOUNT", mount), body(login));
        assert.ok(status < 300, `${at}: ${status} ${text}`);
        await untilGone(world, credential);
      }
    });

    it("stay when only the role or the entity of their token is deleted", async () => {
      const { vault, postgres } = world;
      const [kept, ended] = [await atOwnLogin(world), await atOwnLogin(world)];
      const { data } = await vault.write("auth/token/lookup", { token: kept.token });
      for (const at of [`auth/${kept.mount}/role/app`, `identity/entity/id/${data.entity_id}`]) {
        assert.equal((await vault.request("DELETE", at)).status, 204, at);
      }
      await revokeSelf(vault, ended.token);
      await untilGone(world, ended.credential);
      assert.equal(await postgres.login(kept.credential.user, kept.credential.password), true);
      assert.notEqual(await vault.lease(kept.credential.leaseId), undefined);
      await vault.revokeLease(kept.credential.leaseId);
    });

    it("a token that is revoked while its request is worked on leaves a live lease behind", async () => {
      const { vault, postgres } = world;
      const { path, login } = await databaseRole(world, HELD);
      const { token, accessor } = await login();
      await using held = await holdCreations(world);
      const asked = vault.request("GET", path, undefined, { token });
      await waitFor("the creation", () => isCreating(world));
      assert.equal(await revokeSelf(vault, token), 204);
      await untilForgotten(vault, accessor);
      await held[Symbol.asyncDispose]();
      const credential = credentialOf(await asked);
      assert.equal((await vault.request("GET", "auth/token/lookup-self", undefined, { token })).status, 403);
      assert.deepEqual(await vault.leases(path), [credential.leaseId]);
      assert.equal(await postgres.login(credential.user, credential.password), true);
      const { ttl } = (await vault.lease(credential.leaseId)) ?? { ttl: 0 };
      assert.ok(ttl > 3_500, `${ttl} s are left`);
      await vault.revokeLease(credential.leaseId);
    });

    it("so does a token that ends of itself meanwhile", async () => {
      const { vault, postgres } = world;
      const { path, login } = await databaseRole(world, HELD, { token_ttl: "8s", token_max_ttl: "8s" });
      await using held = await holdCreations(world);
      const { token, accessor } = await login();
      const asked = vault.request("GET", path, undefined, { token });
      await untilForgotten(vault, accessor);
      assert.equal(await isCreating(world), true);
      await held[Symbol.asyncDispose]();
      const credential = credentialOf(await asked);
      assert.deepEqual(await vault.leases(path), [credential.leaseId]);
      assert.equal(await postgres.login(credential.user, credential.password), true);
      await vault.revokeLease(credential.leaseId);
    });

    it("a closed connection cancels the creation, and leaves neither a lease nor a user", async () => {
      const { vault } = world;
      const { name, path, login } = await databaseRole(world, HELD);
      const { token } = await login();
      await using _held = await holdCreations(world);
      const closing = new AbortController();
      const asked = assert.rejects(vault.request("GET", path, undefined, { token, signal: closing.signal }));
      await waitFor("the creation", () => isCreating(world));
      closing.abort();
      await asked;
      await untilAnswered(vault, path);
      await waitFor("the creation's end", async () => !(await isCreating(world)));
      assert.deepEqual(await vault.leases(path), []);
      assert.deepEqual(await usersOf(name), []);
    });

    it("max_request_duration cancels it as well", async () => {
      const { postgres } = world;
      // Long enough for all that comes before on a machine that is busy.
      await using vault = await startVault({ flavor, maxRequestDuration: "8s" });
      const own = { ...world, vault };
      await vault.enableDatabase(postgres);
      const { name, path, login } = await databaseRole(own, HELD);
      await using _held = await holdCreations(world);
      const answer = await vault.request("GET", path, undefined, { token: (await login()).token });
      assert.ok(answer.status >= 500, `${answer.status} ${answer.text}`);
      await waitFor("the creation's end", async () => !(await isCreating(world)));
      assert.deepEqual(await vault.leases(path), []);
      assert.deepEqual(await usersOf(name), []);
    });

    it("end with their token whatever they say, and whoever renews them", async () => {
      const { vault } = world;
      const { path, login } = await databaseRole(world, {}, { token_ttl: "6s", token_max_ttl: "6s" });
      // On a machine that is busy, the token may end before.
      const { token, credential } = await waitFor("a lease that is renewed while its token lives", async () => {
        const { token } = await login();
        const answer = await vault.request("GET", path, undefined, { token });
        if (answer.status === 403) return undefined;
        const credential = credentialOf(answer);
        assert.equal(credential.seconds, 3_600);
        return (await renew(vault, credential.leaseId, 3_600)).status === 200 && { token, credential };
      });
      await waitFor("the token's end", async () => {
        const looked = await vault.request("GET", "auth/token/lookup-self", undefined, { token });
        return looked.status === 403;
      });
      await untilGone(world, credential);
    });

    it("a renewal near a lease's maximum answers 200 with less than was asked", async () => {
      const { vault } = world;
      const { path, login } = await databaseRole(world, { defaultTtl: "60s", maxTtl: "90s" });
      const { token } = await login();
      const { leaseId } = await ask(vault, path, token);
      const answer = await renew(vault, leaseId, 3_600, token);
      assert.equal(answer.status, 200, answer.text);
      assert.ok(Number(answer.body.lease_duration) <= 90, answer.text);
      await revokeSelf(vault, token);
    });

    it("lease not found, and a lease that is not renewable, are 400", async () => {
      const { vault } = world;
      const { path, login } = await databaseRole(world);
      const { token } = await login();
      const { leaseId } = await ask(vault, path, token);
      await vault.revokeLease(leaseId);
      const gone = await renew(vault, leaseId, 60, token);
      assert.equal(gone.status, 400);
      assert.deepEqual(gone.body.errors, ["lease not found"]);
      const looked = await vault.request("POST", "sys/leases/lookup", { lease_id: leaseId }, { token });
      assert.equal(looked.status, 400, looked.text);
      await vault.putPkiRole("fixed", { generate_lease: true });
      const certificate = await vault.write("pki/issue/fixed", { common_name: "fixed.example.com" });
      const fixed = await renew(vault, certificate.lease_id ?? "", 60, token);
      assert.equal(fixed.status, 400);
      assert.match(fixed.text, /lease is not renewable/);
    });

    it("an answer that was wrapped keeps its lease when nobody opens it", async () => {
      const { vault } = world;
      const { name, path, login } = await databaseRole(world);
      const { token } = await login();
      const headers = { "x-vault-wrap-ttl": "1s" };
      const wrapped = await vault.request<{ wrap_info: { token: string } }>("GET", path, undefined, { token, headers });
      assert.equal(wrapped.status, 200, wrapped.text);
      const wrapper = wrapped.body.wrap_info.token;
      await waitFor("the wrapping token's end", async () => {
        const looked = await vault.request("POST", "sys/wrapping/lookup", { token: wrapper });
        return looked.status !== 200;
      });
      // OpenBao lists the wrapping token itself under that path, too, for a moment longer.
      const [leaseId = ""] = await waitFor("one lease", async () => {
        const left = await vault.leases(path);
        return left.length === 1 && left;
      });
      const { ttl } = (await vault.lease(leaseId)) ?? { ttl: 0 };
      assert.ok(ttl > 3_500, `${ttl} s are left`);
      assert.equal((await usersOf(name)).length, 1);
      await revokeSelf(vault, token);
    });

    /** Vault puts the role's name into a user's. */
    async function usersOf(role: string): Promise<string[]> {
      return (await world.postgres.roles()).filter((user) => user.includes(`-${role}-`));
    }
  });
}

interface Login {
  readonly token: string;
  readonly accessor: string;
}

/** A login method with one role, and a credential of the database that its token asked for. */
async function atOwnLogin(world: IssueServers) {
  const { vault } = world;
  const { name, path } = await databaseRole(world);
  const mount = `own-${name}`;
  const { roleId, secretId } = await vault.enableAppRole({ mount, role: "app", policies: [name] });
  const body = { role_id: roleId, secret_id: secretId };
  const { auth } = await vault.write(`auth/${mount}/login`, body, { token: null });
  const { client_token: token = "", accessor = "" } = auth ?? {};
  return { mount, token, accessor, credential: await ask(vault, path, token) };
}
