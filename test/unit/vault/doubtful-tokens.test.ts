import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MINUTE_MS, SECOND_MS } from "../../../lib/clock.ts";
import { forever } from "../../broken-peer.ts";
import { anIdentity, aVault, ONE, START, textOf } from "./a-login-vault.ts";

describe("a token that Vault answers 403 to", () => {
  it("is replaced once it is 10 s old, and ended", async () => {
    const { process, world, ended } = aVault();
    const one = process();
    const token = await one.token({ identity: ONE }, forever);
    world.now = START + 10 * SECOND_MS;
    assert.equal(textOf(await one.replacement({ identity: ONE }, { token, isSecond: false }, forever)), "one-2");
    assert.deepEqual([...ended], ["one-1"]);
    assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-2");
    // Whoever still had the old one takes what there is.
    assert.equal(textOf(await one.replacement({ identity: ONE }, { token, isSecond: false }, forever)), "one-2");
    assert.equal(world.logins, 2);
  });

  it("costs one of its few uses more, for the look at whether it has ended", async () => {
    const { process, world } = aVault();
    world.grant.num_uses = 3;
    const one = process();
    const token = await one.token({ identity: ONE }, forever);
    assert.equal(await one.replacement({ identity: ONE }, { token, isSecond: false }, forever), undefined);
    assert.equal(world.count("lookup-self"), 1);
    const next = [await one.token({ identity: ONE }, forever), await one.token({ identity: ONE }, forever)];
    assert.deepEqual(next.map(textOf), ["one-1", "one-2"]);
  });

  it("is replaced however young it is for who asked since it was obtained", async () => {
    const { process, world } = aVault();
    const one = process();
    const token = await one.token({ identity: ONE }, forever);
    world.now = START + SECOND_MS;
    const since = world.now;
    assert.equal(textOf(await one.replacement({ identity: ONE, since }, { token, isSecond: false }, forever)), "one-2");
  });

  it("stays while it is young and lives: its policies refuse the read", async () => {
    const { process, world } = aVault();
    const one = process();
    const token = await one.token({ identity: ONE }, forever);
    world.now = START + 10 * SECOND_MS - 1;
    assert.equal(
      await one.replacement({ identity: ONE, since: START }, { token, isSecond: false }, forever),
      undefined,
    );
    assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-1");
    assert.equal(world.logins, 1);
  });

  it("is replaced at once when it has ended, once; after that the identity counts as blind for ten minutes", async () => {
    const { process, world, ended } = aVault();
    const one = process();
    const token = await one.token({ identity: ONE }, forever);
    ended.add("one-1");
    const second = await one.replacement({ identity: ONE }, { token, isSecond: false }, forever);
    assert.equal(textOf(second), "one-2");
    ended.add("one-2");
    assert.ok(second);
    assert.equal(await one.replacement({ identity: ONE }, { token: second, isSecond: true }, forever), undefined);
    assert.equal(await one.replacement({ identity: ONE }, { token: second, isSecond: false }, forever), undefined);
    assert.equal(world.count("lookup-self"), 2);
    assert.equal(world.logins, 2);
    world.now += 10 * MINUTE_MS;
    assert.equal(
      textOf(await one.replacement({ identity: ONE }, { token: second, isSecond: false }, forever)),
      "one-3",
    );
  });
});

describe("a token that an event made doubtful", () => {
  const login = { isOf: (address: string) => address === ONE.target.address, mount: "auth/approle" };

  it("is asked about itself before its next use, once, and used on while it lives", async () => {
    const { process, world } = aVault();
    const one = process();
    await one.token({ identity: ONE }, forever);
    one.doubt(login);
    const next = await Promise.all([one.token({ identity: ONE }, forever), one.token({ identity: ONE }, forever)]);
    assert.deepEqual(
      [...next.map(textOf), textOf(await one.token({ identity: ONE }, forever))],
      Array(3).fill("one-1"),
    );
    assert.equal(world.count("lookup-self"), 1);
  });

  it("is replaced when it has ended, before a request is spent on it", async () => {
    const { process, world, ended } = aVault();
    const one = process();
    await one.token({ identity: ONE }, forever);
    ended.add("one-1");
    one.doubt({ isOf: login.isOf });
    const next = await Promise.all([one.token({ identity: ONE }, forever), one.token({ identity: ONE }, forever)]);
    assert.deepEqual(next.map(textOf), ["one-2", "one-2"]);
    assert.equal(world.logins, 2);
  });

  it("is not asked about where its life is over anyway", async () => {
    const { process, world } = aVault();
    const one = process();
    const { staleAt } = await one.token({ identity: ONE }, forever);
    one.doubt({ isOf: login.isOf });
    world.now = staleAt;
    assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-2");
    assert.equal(world.count("lookup-self"), 0);
  });

  it("is one of that Vault and that login, and no other", async () => {
    const { process, world } = aVault();
    const one = process();
    await one.token({ identity: ONE }, forever);
    one.doubt({ isOf: () => false });
    for (const mount of ["auth/approl", "auth/approle/x", "team/auth/approle", "approle"])
      one.doubt({ ...login, mount });
    await one.token({ identity: ONE }, forever);
    assert.equal(world.count("lookup-self"), 0);
    const inNamespace = { ...anIdentity("team"), namespace: "/team/" };
    await one.token({ identity: inNamespace }, forever);
    one.doubt({ ...login, mount: "team/auth/approle" });
    await one.token({ identity: inNamespace }, forever);
    assert.equal(world.count("lookup-self"), 1);
  });

  it("is asked once in ten seconds, where rights change all the time", async () => {
    const { process, world } = aVault();
    const one = process();
    await one.token({ identity: ONE }, forever);
    for (let times = 0; times < 20; times++) {
      one.doubt(login);
      await one.token({ identity: ONE }, forever);
      world.now += SECOND_MS;
    }
    assert.equal(world.count("lookup-self"), 2);
  });

  it("costs one of its few uses", async () => {
    const { process, world } = aVault();
    world.grant.num_uses = 3;
    const one = process();
    await one.token({ identity: ONE }, forever);
    one.doubt(login);
    const next = [await one.token({ identity: ONE }, forever), await one.token({ identity: ONE }, forever)];
    assert.deepEqual(next.map(textOf), ["one-1", "one-2"]);
  });
});
