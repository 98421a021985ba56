import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { dataDirOf, keyferry, type Ran, type RunningEngine, runOnce, startEngine } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import type { Place } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import type { World } from "./support/world.ts";

const NS = "team-a";
const PASSWORD = "Qx7-correct-horse-battery";
/** Nothing comes by itself in the time of these tests: of 12 h, one run in a hundred would see a slot. */
const SELDOM = { refreshAfter: "8000h" };
const MERGE = { contentType: "application/merge-patch+json" };

interface Outcomes {
  readonly syncs: readonly {
    readonly key: string;
    readonly outcome: string;
    readonly error?: { readonly code: string };
  }[];
}

describe("asking about chosen syncs, and for them: sync, explain, an annotation", () => {
  let world: World;
  let place: Place;
  const said: string[] = [];

  before(async () => {
    ({ world, place } = await startPlace(NS));
    await world.vault.putKv("kv", "db", { password: PASSWORD });
    await place.declare("db", SELDOM);
    assert.equal((await runOnce(world)).code, 0);
  });
  after(() => endAll(world));

  const key = (name: string) => `one/VaultStaticSecret/${NS}/${name}`;
  const run = async (...args: readonly string[]): Promise<Ran> => {
    const ran = await keyferry([...args, "--data-dir", dataDirOf(world)]);
    said.push(ran.stdout, ran.stderr);
    return ran;
  };
  const sync = (...args: readonly string[]) => run("sync", ...args);
  const waited = async (...args: readonly string[]) => {
    const ran = await sync(...args, "--wait", "-o", "json");
    return { ...ran, syncs: ran.code === 2 ? [] : (JSON.parse(ran.stdout) as Outcomes).syncs };
  };
  const annotate = async (name: string, value: string) => {
    const path = `/apis/secrets.hashicorp.com/v1beta1/namespaces/${NS}/vaultstaticsecrets/${name}`;
    const metadata = { annotations: { "keyferry.dev/refresh": value } };
    assert.equal((await place.cluster.request("PATCH", path, { metadata }, MERGE)).status, 200);
  };
  const runs = (engine: RunningEngine) =>
    engine.metrics().then((text) => Number(/^keyferry_vault_reads_total\{outcome="ok"\} (\d+)$/m.exec(text)?.[1] ?? 0));

  it("sync without an engine leaves the wish in the data directory, for the next one", async () => {
    await world.vault.putKv("kv", "db", { password: `${PASSWORD}-2` });
    const asked = await sync(key("db"));
    assert.equal(asked.code, 0, asked.stderr);
    assert.match(asked.stderr, /asked for one\/VaultStaticSecret\/team-a\/db\nno keyferry works with/);
    assert.equal((await sync(key("db"), "--wait")).code, 1);
    assert.equal((await runOnce(world)).code, 0);
    assert.equal((await place.secret("db"))?.data.password, `${PASSWORD}-2`);
  });

  it("sync tells what it does not know, with what was meant, and asks for nothing then", async () => {
    for (const [args, says] of [
      [[key("bd")], /no such sync \(did you mean one\/VaultStaticSecret\/team-a\/db\?\)/],
      [["db"], /must be CLUSTER\/KIND\/NAMESPACE\/NAME.*did you mean/],
      [["two/*"], /no sync matches/],
      [[key("db"), key("nobody")], /nobody: there is no such sync/],
      [[key("db"), "--wait", "--timeout", "soon"], /must be a number and one of s, m, h/],
    ] as const) {
      const { code, stdout, stderr } = await sync(...args);
      assert.deepEqual([code, stdout], [2, ""], stderr);
      assert.match(stderr, says);
      assert.doesNotMatch(stderr, /asked for/);
    }
  });

  it("sync --wait brings what changed in Vault at once, leaves alone what is in step, and tells of failures", async () => {
    await using engine = await startEngine(world);
    await world.vault.putKv("kv", "db", { password: `${PASSWORD}-3` });
    const brought = await waited(key("db"));
    assert.deepEqual([brought.code, brought.syncs], [0, [{ key: key("db"), outcome: "synced" }]], brought.stderr);
    const before = await place.secret("db");
    assert.equal(before?.data.password, `${PASSWORD}-3`);
    const again = await sync("one/*", "--wait");
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, /SYNC +OUTCOME +ERROR\n.*team-a\/db +synced/);
    assert.deepEqual(await place.secret("db"), before);

    await place.declare("absent", SELDOM);
    await place.failed("absent", "VAULT_PATH_MISSING");
    const failed = await waited("one/*");
    assert.equal(failed.code, 1);
    assert.deepEqual(
      failed.syncs.map(({ outcome, error }) => [outcome, error?.code]),
      [
        ["failed", "VAULT_PATH_MISSING"],
        ["synced", undefined],
      ],
    );
    await world.vault.putKv("kv", "absent", { password: PASSWORD });
    assert.equal((await waited(key("absent"))).code, 0, "a failed sync is tried at once");
    assert.equal((await place.secret("absent"))?.data.password, PASSWORD);
    await assertNoLeak(world, engine, [PASSWORD]);
  });

  it("keyferry.dev/refresh: each new value is carried out once, and rewrites nothing that is in step", async () => {
    const before = await place.secret("db");
    {
      await using engine = await startEngine(world);
      const reads = await runs(engine);
      await annotate("db", "monday");
      await place.cluster.waitFor("a read of Vault", async () => (await runs(engine)) === reads + 1);
      await world.vault.putKv("kv", "db", { password: `${PASSWORD}-4` });
      await annotate("db", "tuesday");
      await place.secretThat("db", ({ data }) => data.password === `${PASSWORD}-4`);
      await annotate("db", "tuesday");
      await place.cluster.waitFor("the row to rest", async () => (await explained("db")).state === "synced");
      assert.equal(await runs(engine), reads + 2);
      await engine.stop();
    }
    const changed = await place.secret("db");
    assert.equal(before?.uid, changed?.uid);
    // A new start lists everything anew, and finds the same value.
    await using engine = await startEngine(world);
    await sync(key("absent"), "--wait");
    assert.equal(await runs(engine), 1, "the one that was asked for");
    assert.deepEqual(await place.secret("db"), changed);
    await annotate("db", "wednesday");
    await place.cluster.waitFor("another read of Vault", async () => (await runs(engine)) === 2);
    await place.cluster.waitFor("the row to rest", async () => (await explained("db")).state === "synced");
    assert.deepEqual(await place.secret("db"), changed);
  });

  const explained = async (name: string) => JSON.parse((await run("explain", key(name), "-o", "json")).stdout);

  it("explain tells the description of a sync in step and of one that failed, and what to do", async () => {
    await place.declare("stray", SELDOM);
    assert.equal((await runOnce(world)).code, 1);
    await using _engine = await startEngine(world);
    const good = await run("explain", key("db"));
    assert.equal(good.code, 0, good.stderr);
    for (const words of [
      /State: +synced/,
      /mount kv, path db, refreshAfter 8000h/,
      /VaultAuth vault-secrets-operator-system\/default: found, generation 1/,
      /VaultConnection vault-secrets-operator-system\/default: found/,
      /Vault http\S+, version 4 of 20/,
      /digest \S{8}\n/,
      /Secret db, uid \S+, resourceVersion \d+/,
      /refresh requested by annotation: wednesday/,
      /Next: +in .*its refresh slot, every \d+s/,
    ]) {
      assert.match(good.stdout, words);
    }
    const bad = await run("explain", key("stray"));
    assert.equal(bad.code, 1);
    // The engine tries again 15 s after the pass at the earliest.
    assert.match(bad.stdout, /Error: +VAULT_PATH_MISSING: .*\n +since \d+s, (1 try|\d+ tries) in a row/);
    assert.match(bad.stdout, /What to do: +There is nothing at this path/);
    const json = await explained("stray");
    assert.deepEqual([json.state, json.error.code, json.error.next], ["failed", "VAULT_PATH_MISSING", "recheck"]);
    const unknown = await run("explain", key("stary"));
    assert.deepEqual([unknown.code, /did you mean/.test(unknown.stderr)], [2, true]);
    assert.equal((await run("explain", "one/*")).code, 2);
  });

  it("says no value anywhere", async () => {
    await assertNoLeak(world, undefined, [PASSWORD]);
    assert.ok(said.length > 20 && !said.join("").includes(PASSWORD));
  });
});
