import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS, SECOND_MS } from "../../../lib/clock.ts";
import type { VaultIdentity } from "../../../lib/ports/vault.ts";
import { forever } from "../../broken-peer.ts";
import { anIdentity, aVault, ONE, OTHER, START, settled, textOf } from "./a-login-vault.ts";

describe("tokens of Vault", () => {
  it("are shared by who has the same identity, and by nobody else", async () => {
    const { process, world } = aVault();
    const one = process();
    const asked = await Promise.all([ONE, ONE, OTHER, ONE, OTHER].map((identity) => one.token({ identity }, forever)));
    assert.deepEqual(asked.map(textOf), ["one-1", "one-1", "other-2", "one-1", "other-2"]);
    assert.equal(textOf(await one.token({ identity: OTHER }, forever)), "other-2");
    assert.equal(world.logins, 2);
  });

  it("are used until a tenth of their life is left, and no longer", async () => {
    const { process, world } = aVault();
    world.grant.renewable = false;
    const one = process();
    const token = await one.token({ identity: ONE }, forever);
    world.now = token.staleAt - 1;
    assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-1");
    world.now = token.staleAt;
    assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-2");
  });

  it("are prolonged once, beside who uses them, from two thirds of their life on", async () => {
    const { process, world } = aVault();
    const one = process();
    const token = await one.token({ identity: ONE }, forever);
    world.now = token.renewAt - 1;
    await one.token({ identity: ONE }, forever);
    assert.equal(world.count("renew-self"), 0);
    world.now = token.renewAt;
    const used = await Promise.all([1, 2, 3].map(() => one.token({ identity: ONE }, forever)));
    assert.deepEqual(used.map(textOf), ["one-1", "one-1", "one-1"]);
    await settled();
    assert.equal(world.count("renew-self"), 1);
    world.now = token.staleAt + 1;
    assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-1");
    assert.equal(world.logins, 1);
    world.now += HOUR_MS / 2;
    await one.token({ identity: ONE }, forever);
    assert.equal(world.count("renew-self"), 2, "and again, later");
  });

  it("are tried to prolong once when Vault refuses it, and used to their end", async () => {
    const { process, world } = aVault();
    world.refusesRenewals = true;
    const one = process();
    const token = await one.token({ identity: ONE }, forever);
    world.now = token.renewAt;
    for (let time = 0; time < 3; time++) {
      assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-1");
      await settled();
    }
    assert.equal(world.count("renew-self"), 1);
  });

  it("of few uses are used as often as that, and replaced by as many logins as it takes", async () => {
    const { process, world } = aVault();
    world.grant.num_uses = 2;
    const one = process();
    const asked = await Promise.all([1, 2, 3, 4, 5].map(() => one.token({ identity: ONE }, forever)));
    assert.equal(new Set(asked.map(textOf)).size, 3);
    assert.equal(world.logins, 3);
  });

  it("are not asked for again for 5 s after a refusal: with this credential, by who has not asked since", async () => {
    const { process, world } = aVault();
    world.refusesLogins = true;
    const one = process();
    const refused = (identity: VaultIdentity, since?: number) =>
      assert.rejects(one.token({ identity, since }, forever), { code: "VAULT_LOGIN_REFUSED" });
    await Promise.all([refused(ONE), refused(ONE)]);
    assert.equal(world.count("login"), 1);
    world.now = START + 5 * SECOND_MS - 1;
    await refused(ONE, START);
    assert.equal(world.count("login"), 1);
    await refused(OTHER);
    assert.equal(world.count("login"), 2, "another identity");
    await refused(anIdentity("one", "2"));
    assert.equal(world.count("login"), 3, "another credential");
    await refused(ONE, START + 1);
    assert.equal(world.count("login"), 4, "asked for since");
    world.now += 5 * SECOND_MS;
    world.refusesLogins = false;
    assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-1");
  });

  it("are asked for again by who joined a login that was refused, and has seen a change since it began", async () => {
    const { process, world } = aVault();
    const gate = Promise.withResolvers<void>();
    world.gate = gate.promise;
    let refusals = 1;
    Object.defineProperty(world, "refusesLogins", { get: () => refusals-- > 0 });
    const one = process();
    const first = assert.rejects(one.token({ identity: ONE }, forever), { code: "VAULT_LOGIN_REFUSED" });
    world.now = START + SECOND_MS;
    const second = one.token({ identity: ONE, since: world.now }, forever);
    await settled();
    gate.resolve();
    await first;
    assert.equal(textOf(await second), "one-1");
    assert.equal(world.count("login"), 2);
  });

  it("are got for those who still wait when another one gives up, and ended when nobody waits", async () => {
    const { process, world } = aVault();
    let open = () => {};
    world.gate = new Promise((resolve) => {
      open = resolve;
    });
    const one = process();
    const ender = new AbortController();
    const leaving = assert.rejects(one.token({ identity: ONE }, ender.signal), /gone/);
    const staying = one.token({ identity: ONE }, forever);
    ender.abort(new Error("gone"));
    await leaving;
    open();
    assert.equal(textOf(await staying), "one-1");
  });

  it("are ended when nobody waits for them any more, and held by nobody", async () => {
    const { process, world, ended } = aVault();
    const gate = Promise.withResolvers<void>();
    const one = process();
    // Vault answers all the same.
    const ender = new AbortController();
    world.gate = gate.promise.then(() => ender.abort(new Error("gone")));
    world.isDeaf = true;
    const leaving = assert.rejects(one.token({ identity: ONE }, ender.signal), /gone/);
    gate.resolve();
    await leaving;
    await settled();
    assert.deepEqual([...ended], ["one-1"]);
    assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-2");
  });

  it("are forgotten when they have ended, without a request", async () => {
    const { process, world } = aVault();
    const one = process();
    await one.token({ identity: ONE }, forever);
    world.now = START + 2 * HOUR_MS;
    await one.token({ identity: OTHER }, forever);
    await one.revokeAll(forever);
    assert.deepEqual(
      world.asked.filter((text) => text.startsWith("revoke-self")),
      ["revoke-self other-2"],
    );
  });

  it("are given back when nobody used them for an hour", async () => {
    const { process, world, ended } = aVault();
    world.grant.lease_duration = 10 * 3_600;
    const one = process();
    await one.token({ identity: ONE }, forever);
    world.now = START + HOUR_MS - 1;
    await one.token({ identity: OTHER }, forever);
    assert.deepEqual([...ended], []);
    world.now = START + HOUR_MS;
    await one.token({ identity: anIdentity("third") }, forever);
    assert.deepEqual([...ended], ["one-1"]);
  });

  it("all end when it stops", async () => {
    const { process, ended } = aVault();
    const one = process();
    for (const identity of [ONE, OTHER]) await one.token({ identity }, forever);
    await one.revokeAll(forever);
    assert.deepEqual([...ended].sort(), ["one-1", "other-2"]);
  });
});
