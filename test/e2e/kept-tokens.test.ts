import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { openSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { sealer } from "../../lib/vault/sealer.ts";
import { waitFor } from "../harness/index.ts";
import { dataDirOf, keyferry, type RunningEngine, startEngine } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import { type Place, placeIn } from "./support/place.ts";
import { authMount, startWorld, type World } from "./support/world.ts";

const NS = "team-a";
const API = "secrets.hashicorp.com/v1beta1";

describe("Vault tokens outlive a process that is killed, and nothing else", () => {
  let world: World;
  let places: readonly Place[];
  let engine: RunningEngine | undefined;

  before(async () => {
    world = await startWorld({ clusters: ["one", "two"] });
    await Promise.all(world.clusters.map((cluster) => world.namespace(cluster, NS)));
    places = world.clusters.map((cluster) => placeIn(cluster, NS));
    await world.vault.putKv("kv", "db", { password: "one" });
    for (const place of places) {
      for (const name of ["kept", "auth-goes", "sync-goes"]) await declareWithLogin(place, name);
    }
    engine = await startEngine(world);
    for (const place of places) for (const name of ["kept", "auth-goes", "sync-goes"]) await place.synced(name);
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const running = (): RunningEngine => engine ?? assert.fail();
  const one = (): Place => places[0] ?? assert.fail();
  const two = (): Place => places[1] ?? assert.fail();
  const keyPath = (): string => join(dataDirOf(world), "tokens.key");

  /** A sync with a VaultAuth and a role of its own, so that its token can be told from others. */
  async function declareWithLogin(place: Place, name: string): Promise<void> {
    const mount = authMount(place.cluster);
    await world.vault.write(`auth/${mount}/role/${name}`, {
      bound_service_account_names: ["app"],
      bound_service_account_namespaces: [NS],
      token_policies: ["app"],
      token_ttl: "1h",
    });
    const vaultConnectionRef = "vault-secrets-operator-system/default";
    const spec = { method: "kubernetes", mount, vaultConnectionRef, kubernetes: { role: name, serviceAccount: "app" } };
    await place.cluster.apply({ apiVersion: API, kind: "VaultAuth", metadata: { name, namespace: NS }, spec });
    await place.declare(name, { path: "db", vaultAuthRef: name });
  }

  /** Tokens that live, by cluster and role. */
  async function alive(): Promise<string[]> {
    const { data } = (await world.vault.request("LIST", "auth/token/accessors")).body;
    const accessors = Array.isArray(data.keys) ? data.keys.map(String) : [];
    const found = await Promise.all(
      accessors.map(async (accessor) => {
        const answer = await world.vault.request("POST", "auth/token/lookup-accessor", { accessor });
        const { path, meta } = (answer.body?.data ?? {}) as { path?: string; meta?: { role?: string } | null };
        return path?.startsWith("auth/kubernetes-") ? [`${path.split(/[-/]/)[2]}/${meta?.role}`] : [];
      }),
    );
    return found.flat().sort();
  }

  const lives = async (name: string): Promise<boolean> => (await alive()).includes(name);

  async function logins(): Promise<number> {
    const asked = [...(await world.vault.auditedReads())].filter(([what]) => /^update auth\/.*\/login$/.test(what));
    return asked.reduce((sum, [, times]) => sum + times, 0);
  }

  /** What stands in the state, opened with its key. */
  async function keptTokens(): Promise<string[]> {
    const dataDir = dataDirOf(world);
    const key = Buffer.from(await readFile(keyPath(), "utf8"), "base64");
    const installation = (await readFile(join(dataDir, "installation"), "utf8")).trim();
    await using store = openSqliteStore({ path: join(dataDir, "state.sqlite"), readOnly: true });
    const box = sealer([key], randomBytes);
    return (await store.tokens().tokens()).map(({ id, sealed }) => {
      const text = box.open(sealed, JSON.stringify(["vault-token", installation, id])) ?? assert.fail();
      return (JSON.parse(text.toString("utf8")) as { token: string }).token;
    });
  }

  async function aNewSecret(password: string, of: readonly Place[] = places): Promise<void> {
    await world.vault.putKv("kv", "db", { password });
    for (const place of of) await place.secretThat("kept", ({ data }) => data.password === password, 60_000);
  }

  it("stand encrypted in the data directory, with a key for its owner alone", async () => {
    const tokens = await keptTokens();
    assert.equal(tokens.length, 6);
    for (const token of tokens) {
      const { status } = await world.vault.request("GET", "auth/token/lookup-self", undefined, { token });
      assert.equal(status, 200);
    }
    assert.equal((await stat(keyPath())).mode & 0o777, 0o600);
    await assertNoLeak(world, running(), tokens);
  });

  it("are used after kill -9: the next process does not log in", async () => {
    await running().kill();
    const before = await logins();
    engine = await startEngine(world);
    await aNewSecret("two");
    assert.equal(await logins(), before);
  });

  it("are ended when their VaultAuth goes", async () => {
    assert.equal(await lives("one/auth-goes"), true);
    await one().cluster.delete({ apiVersion: API, kind: "VaultAuth", namespace: NS, name: "auth-goes" });
    await waitFor("the revocation", async () => !(await lives("one/auth-goes")), 60_000);
    assert.equal(await lives("two/auth-goes"), true);
  });

  it("are ended when their VaultAuth changes, and a login takes their place", async () => {
    const before = await logins();
    const mount = authMount(one().cluster);
    const kubernetes = { role: "sync-goes", serviceAccount: "app", tokenExpirationSeconds: 700 };
    const spec = {
      method: "kubernetes",
      mount,
      vaultConnectionRef: "vault-secrets-operator-system/default",
      kubernetes,
    };
    await one().cluster.apply({
      apiVersion: API,
      kind: "VaultAuth",
      metadata: { name: "sync-goes", namespace: NS },
      spec,
    });
    await waitFor("the login", async () => (await logins()) > before, 60_000);
    const ofRole = async () => (await alive()).filter((name) => name === "one/sync-goes").length;
    await waitFor("the former token to be ended", async () => (await ofRole()) === 1, 60_000);
  });

  it("are ended when their last sync goes", async () => {
    await one().undeclare("sync-goes");
    await waitFor("the revocation", async () => !(await lives("one/sync-goes")), 60_000);
    assert.equal(await lives("one/kept"), true);
  });

  it("are ended when their cluster leaves the fleet, also when that happened after a crash", async () => {
    await running().kill();
    await world.writeFleet((cluster) => (cluster.name === "two" ? undefined : {}));
    engine = await startEngine(world);
    await waitFor("the revocations", async () => !(await alive()).some((name) => name.startsWith("two/")), 60_000);
    assert.equal(await lives("one/kept"), true);
    assert.notEqual(await two().secret("kept"), undefined);
  });

  it("are dropped when their key is lost: that is said, and a login follows", async () => {
    await running().kill();
    // Only now, so that nobody logs in there under the key that is lost.
    await world.writeFleet();
    await writeFile(keyPath(), "broken\n");
    const before = await logins();
    engine = await startEngine(world);
    await aNewSecret("three", [one()]);
    assert.ok((await logins()) > before);
    assert.equal(running().logs.filter(({ event }) => event === "vault-tokens-forgotten").length, 1);
    assert.equal(running().logs.filter(({ event }) => event === "vault-tokens-unreadable").length, 0);
  });

  it("are ended by a clean stop", async () => {
    assert.equal(await running().stop(), 0);
    assert.deepEqual(await keptTokens(), []);
    // The token whose key was lost runs out by itself.
    assert.deepEqual(await alive(), ["one/kept"]);
  });

  it("are not kept under a key that others may have read", async () => {
    await chmod(keyPath(), 0o644);
    const ran = await keyferry(["run", "--once", "--fleet", world.fleetPath, "--data-dir", dataDirOf(world)]);
    assert.equal(ran.code, 2);
    assert.match(ran.stderr, /tokens\.key.*mode 644.*set its mode to 600, or delete it/s);
  });
});
