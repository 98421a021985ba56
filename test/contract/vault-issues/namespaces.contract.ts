import assert from "node:assert/strict";
import { it } from "node:test";
import type { IssueServers } from "./world.ts";

/** OpenBao alone has namespaces, of the two servers that are tested. */
export function namespacesContract(here: () => IssueServers): void {
  it("a lease in another namespace than its token's outlives that token, and ends by its id", async () => {
    const { vault, cluster } = here();
    const there = { namespace: "team" };
    await vault.write("sys/namespaces/team");
    await vault.write("sys/mounts/pki", { type: "pki" }, there);
    await vault.write("pki/root/generate/internal", { common_name: "team root", key_type: "ec", ttl: "700h" }, there);
    await vault.write("pki/roles/web", { allow_any_name: true, generate_lease: true, ttl: "1h" }, there);
    const issuer = await vault.putIssuer("apart", { updates: ["team/pki/issue/web", "team/sys/leases/revoke"] });
    const isLive = async (id: string) =>
      (await vault.request("PUT", "sys/leases/lookup", { lease_id: id }, there)).status === 200;
    const issue = async (token: string) =>
      String((await vault.write("pki/issue/web", { common_name: "a.example.com" }, { token, ...there })).lease_id);

    const [first, second] = [await issuer.login(), await issuer.login()];
    const [outlives, ends] = [await issue(first.token), await issue(second.token)];
    await vault.write("sys/leases/revoke", { lease_id: ends }, { token: second.token, ...there });
    await vault.write("auth/token/revoke-self", {}, { token: first.token });
    // Leases of the same namespace end within 0.2 s.
    await cluster.waitFor("the end by id", async () => !(await isLive(ends)));
    assert.equal(await isLive(outlives), true);
  });
}
