import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import type { Place } from "./support/place.ts";
import { sideBySide } from "./support/side-by-side.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import type { World } from "./support/world.ts";

const NS = "team-a";
const PASSWORD = "Hy6-correct-horse-battery";
const PATIENT_MS = 60_000;
const FLAVORS = ["openbao", "vault"] as const;

interface Way {
  readonly spec?: Readonly<Record<string, unknown>>;
  go(world: World): Promise<unknown>;
}

/** Each way for data to be missing in Vault: how it is declared, and how it goes. */
const WAYS: Readonly<Record<string, Way>> = {
  soft: { go: (world: World) => world.vault.remove("kv/data/soft") },
  destroyed: { go: (world: World) => world.vault.write("kv/destroy/destroyed", { versions: [1] }) },
  forgotten: { go: (world: World) => world.vault.remove("kv/metadata/forgotten") },
  pinned: { spec: { version: 1 }, go: (world: World) => world.vault.write("kv/delete/pinned", { versions: [1] }) },
  plain: { spec: { type: "kv-v1", mount: "kv1" }, go: (world: World) => world.vault.remove("kv1/plain") },
  bare: {
    spec: { destination: { name: "bare", create: true, transformation: { excludeRaw: true } } },
    go: (world: World) => world.vault.remove("kv/data/bare"),
  },
};
const NAMES = Object.keys(WAYS);

sideBySide("data that goes", FLAVORS, (flavor) => `data that goes in Vault, on ${flavor}`, storyOn);

function storyOn(flavor: (typeof FLAVORS)[number]): void {
  let world: World;
  let engine: RunningEngine;
  let place: Place;

  before(async () => {
    ({ world, place } = await startPlace(NS, { vault: { flavor } }));
    for (const name of NAMES) await world.vault.putKv(name === "plain" ? "kv1" : "kv", name, { password: PASSWORD });
    await world.vault.putKv("kv", "pinned", { password: "that of version 2" });
    engine = await startEngine(world);
    for (const [name, { spec }] of Object.entries(WAYS)) await place.declare(name, spec);
    for (const name of NAMES) await place.synced(name, PATIENT_MS);
  });
  after(() => endAll(engine, world));

  it("stays in the Secret, whichever way it went, and the conditions say what is missing", async () => {
    for (const { go } of Object.values(WAYS)) await go(world);
    for (const name of NAMES) {
      const message = await place.failed(name, "VAULT_PATH_MISSING");
      assert.equal(
        /found a deleted version/.test(message),
        ["soft", "destroyed", "pinned", "bare"].includes(name),
        name,
      );
      assert.equal((await place.secret(name))?.data.password, PASSWORD, name);
    }
  });

  it("has what somebody changed meanwhile put right when it is there again", async () => {
    const changed = ["soft", "pinned"] as const;
    const reads = async () => {
      const all = await world.vault.auditedReads();
      return changed.map((name) => all.get(`read kv/data/${name}`) ?? 0);
    };
    const before = await reads();
    await place.patchSecret("soft", { data: { password: Buffer.from("edited").toString("base64") } });
    await place.cluster.delete({ apiVersion: "v1", kind: "Secret", namespace: NS, name: "pinned" });
    const areMet = async () => (await reads()).every((count, at) => count > (before[at] ?? 0));
    await place.cluster.waitFor("both to be met by a run, which fails", areMet, PATIENT_MS);
    for (const name of changed) await world.vault.write(`kv/undelete/${name}`, { versions: [1] });
    // Found by keyferry's own next try: what is touched is looked at anyway.
    for (const name of changed) await place.secretThat(name, ({ data }) => data.password === PASSWORD);
    for (const name of changed) {
      await place.synced(name);
      await WAYS[name]?.go(world);
      await place.touch(name);
      await place.failed(name, "VAULT_PATH_MISSING");
    }
  });

  it("goes from the Secret with onDeleted: follow, but for paths that are not there at all", async () => {
    assert.equal(await engine.stop(), 0);
    await world.writeFleet(() => ({ vault: { onDeleted: "follow" } }));
    engine = await startEngine(world);
    for (const name of NAMES) await place.touch(name);
    for (const name of ["soft", "destroyed", "pinned"] as const) {
      const { data } = await place.secretThat(name, (secret) => !("password" in secret.data), PATIENT_MS);
      assert.deepEqual(Object.keys(data), ["_raw"], name);
      const raw = JSON.parse(data._raw ?? "") as { data: unknown; metadata: { version: number } };
      assert.equal(raw.data, null);
      assert.equal(raw.metadata.version, 1);
      await place.synced(name, PATIENT_MS);
    }
    const bare = await place.secretThat("bare", (secret) => !("password" in secret.data), PATIENT_MS);
    assert.deepEqual(bare.data, {});
    for (const name of ["forgotten", "plain"] as const) {
      await place.failed(name, "VAULT_PATH_MISSING");
      assert.equal((await place.secret(name))?.data.password, PASSWORD, name);
    }
  });
}
