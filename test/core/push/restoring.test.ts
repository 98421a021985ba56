import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { annotations, aPushed, aPushingWorld, aSecret, held, versions, writes } from "../world/pushing.ts";
import { base64 } from "../world/views.ts";

const PATH = "apps/shop/app";
const DECLARED = { path: "kv/apps/shop/app", secrets: '[{"name":"db","keys":["user","password"]}]' };
const ONE = { user: "app", password: "one" };

describe("what changes in Vault", () => {
  const changes: Readonly<
    Record<string, (vault: Awaited<ReturnType<typeof aPushingWorld>>["vault"]) => Promise<unknown>>
  > = {
    "an edit": (vault) => vault.putKv("kv", PATH, { user: "eve" }),
    "a deleted version": (vault) => vault.remove(`kv/data/${PATH}`),
    "a destroyed version": (vault) => vault.write(`kv/destroy/${PATH}`, { versions: [1] }),
    "a removed path": (vault) => vault.remove(`kv/metadata/${PATH}`),
  };
  for (const [what, change] of Object.entries(changes)) {
    it(`${what} is restored by reconcile, with one version`, async () => {
      await using world = await aPushingWorld();
      await world.given(aSecret(), aPushed({ ...DECLARED, reconcile: "1m" }));
      await world.advance("2m");
      await change(world.vault);
      const before = writes(world);
      await world.advance("3m");
      assert.deepEqual(await held(world, PATH), ONE);
      assert.equal(writes(world) - before, 1);
    });
  }

  it("Vault is read, and nothing is written, while nothing changes", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret(), aPushed({ ...DECLARED, reconcile: "1m" }));
    await world.advance("2m");
    const costs = await world.counting(() => world.advance("10m"));
    assert.ok(costs.reads >= 10 && costs.reads <= 14, `${costs.reads} reads`);
    assert.deepEqual([costs.claims, costs.settles, versions(world, PATH)], [0, 0, 1]);
  });

  it("without reconcile Vault is not read again", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret(), aPushed(DECLARED));
    await world.advance("2m");
    const costs = await world.counting(() => world.advance("1h"));
    assert.deepEqual([costs.reads, costs.claims], [0, 0]);
  });

  it("a login that may not read writes by the recorded version alone", async () => {
    await using world = await aPushingWorld({}, { capabilities: ["create", "update"] });
    await world.given(aSecret(), aPushed(DECLARED));
    await world.advance("1m");
    assert.deepEqual(await held(world, PATH), ONE);
    await world.edit("Secret", "db", { data: { password: base64("two") } });
    await world.advance("1m");
    assert.deepEqual([(await held(world, PATH))?.password, versions(world, PATH)], ["two", 2]);
    await world.vault.putKv("kv", PATH, { user: "eve" });
    await world.edit("Secret", "db", { data: { password: base64("three") } });
    await world.advance("1m");
    assert.deepEqual(await held(world, PATH), { user: "eve" });
    const row = await world.row("app", "Deployment");
    assert.equal(row?.state.error?.code, "VAULT_DENIED");
  });
});

describe("someone else's data at the path, at first sight", () => {
  const foreign = { vault: PATH, data: { user: "theirs", other: "x" } };

  it("stays, and an event says so", async () => {
    await using world = await aPushingWorld();
    await world.given(foreign, aSecret(), aPushed(DECLARED));
    await world.advance("1m");
    assert.deepEqual(await held(world, PATH), foreign.data);
    assert.match(
      world
        .events("app")
        .map(({ message }) => message)
        .join("\n"),
      /PUSH_CONFLICT: kv\/apps\/shop\/app holds data/,
    );
  });

  it("conflict: adopt replaces it, and merge writes only our keys", async () => {
    for (const [conflict, expected] of [
      ["adopt", ONE],
      ["merge", { ...ONE, other: "x" }],
    ] as const) {
      await using world = await aPushingWorld({ conflict });
      await world.given(foreign, aSecret(), aPushed(DECLARED));
      await world.advance("1m");
      assert.deepEqual(await held(world, PATH), expected);
      assert.equal(versions(world, PATH), 2);
    }
  });

  it("merge removes keys that are not named any more, and at the end all of ours", async () => {
    await using world = await aPushingWorld({ conflict: "merge" });
    await world.given(foreign, aSecret(), aPushed(DECLARED));
    await world.advance("1m");
    const secrets = '[{"name":"db","keys":["password"]}]';
    await world.edit("Deployment", "app", { metadata: { annotations: annotations({ secrets }) } });
    await world.advance("1m");
    assert.deepEqual(await held(world, PATH), { password: "one", other: "x" });
    await world.remove("Deployment", "app");
    await world.advance("1m");
    assert.deepEqual(await held(world, PATH), { other: "x" });
  });

  it("equal data is recorded, and gets no version: so a take-over from the operator writes none", async () => {
    await using world = await aPushingWorld();
    await world.given(
      { vault: PATH, data: ONE },
      aSecret(),
      aPushed({ ...DECLARED, "secret-versions": '{"db":"12"}' }),
    );
    await world.advance("1m");
    assert.deepEqual([writes(world) - 1, versions(world, PATH)], [0, 1]);
    assert.equal((await world.row("app", "Deployment"))?.state.pushed?.[0]?.version, 1);
  });
});

describe("how often", () => {
  it("a path gets at most one version in thirty seconds", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret(), aPushed(DECLARED));
    await world.advance("1m");
    for (let count = 0; count < 60; count++) {
      await world.edit("Secret", "db", { data: { password: base64(`p${count}`) } });
      await world.advance("1s");
    }
    await world.advance("1m");
    assert.equal((await held(world, PATH))?.password, "p59");
    assert.ok(versions(world, PATH) <= 4, `${versions(world, PATH)} versions`);
  });

  it("over twenty versions in ten minutes are a loop: the object is parked until its annotations change", async () => {
    await using world = await aPushingWorld();
    const rowNow = async () => (await world.row("app", "Deployment")) ?? assert.fail("no row");
    await world.given(aSecret(), aPushed({ ...DECLARED, reconcile: "30s" }));
    await world.advance("31s");
    for (let count = 0; (await rowNow()).state.error === undefined; count++) {
      assert.ok(count < 40, "it went on");
      await world.vault.putKv("kv", PATH, { eve: String(count) });
      await world.edit("Secret", "db", { data: { password: base64(`p${count}`) } });
      await world.advance("31s");
    }
    const parked = await rowNow();
    assert.match(
      `${parked.state.error?.code}: ${parked.state.error?.message}`,
      /^NOT_CONVERGING: kv\/apps\/shop\/app /,
    );
    assert.deepEqual([parked.dueAt, parked.wheel], [undefined, undefined]);
    const before = versions(world, PATH);
    await world.advance("1h");
    await world.edit("Secret", "db", { data: { password: base64("later") } });
    await world.advance("1h");
    assert.equal(versions(world, PATH), before);
    assert.equal((await rowNow()).state.error?.code, "NOT_CONVERGING");
    await world.edit("Deployment", "app", { metadata: { annotations: annotations({ "keyferry.dev/refresh": "1" }) } });
    await world.advance("1m");
    assert.equal((await held(world, PATH))?.password, "later");
    assert.deepEqual([versions(world, PATH), (await rowNow()).state.error], [before + 1, undefined]);
  });
});
