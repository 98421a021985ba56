import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PushSettings } from "../../../lib/ports/fleet-push.ts";
import { VAULT } from "../world/builders.ts";
import { annotations, aPushed, aPushingWorld, aSecret, held, versions } from "../world/pushing.ts";
import { base64 } from "../world/views.ts";
import type { World } from "../world/world.ts";

const PATH = "apps/shop/app";
const NEXT = "apps/shop/next";
const SECRETS = '[{"name":"db","keys":["user","password"]}]';
const SLOW_MS = 75_000;
/** A lease, a request's time-out and the longest that Vault works on it. */
const OVER = "190s";

type Change = (world: World) => Promise<unknown>;

const pushedTo = (path: string, mount = "kv"): Change => {
  return (world) => world.given(aSecret(), aPushed({ path: `${mount}/${path}`, secrets: SECRETS }));
};
const edited: Change = (world) => world.edit("Secret", "db", { data: { password: base64("two") } });
const gone: Change = (world) => world.remove("Deployment", "app");
const moved: Change = (world) =>
  world.edit("Deployment", "app", { metadata: { annotations: annotations({ path: `kv/${NEXT}` }) } });

/** The next write to the path gets no answer: its connection is cut, and Vault carries it out only much later. */
async function cutOff(world: World, act: Change, url = `kv/data/${PATH}`): Promise<void> {
  let cuts = 0;
  world.vault.meddle(({ method, path }) => {
    if (cuts > 0 || method !== "POST" || path !== url) return undefined;
    cuts += 1;
    return { workMs: SLOW_MS, isEarly: true };
  });
  await act(world);
  await world.advance("4s");
  assert.equal(cuts, 1, "a write is under way");
}

async function rows(world: World): Promise<readonly string[]> {
  const all = await world.store.byCluster("east");
  return all.map(({ key }) => key).filter((key) => key.includes("Deployment"));
}

/** A world with a push that is done, or none yet. */
async function aWorldWith(push: Partial<PushSettings>, before?: Change): Promise<World> {
  const world = await aPushingWorld(push);
  if (before === undefined) return world;
  await before(world);
  await world.advance("1m");
  return world;
}

describe("lease-table 31: a write that Vault carries out only after the clean-up", () => {
  const later: readonly [string, Partial<PushSettings>, Change | undefined, Change, number][] = [
    ["a change", {}, pushedTo(PATH), edited, 2],
    ["a change, deletion: metadata", { deletion: "metadata" }, pushedTo(PATH), edited, 0],
    ["a first push", {}, undefined, pushedTo(PATH), 1],
    ["a first push, deletion: metadata", { deletion: "metadata" }, undefined, pushedTo(PATH), 0],
    ["a first push, conflict: merge", { conflict: "merge" }, undefined, pushedTo(PATH), 1],
  ];
  for (const [what, push, before, act, made] of later) {
    for (const crashes of [false, true]) {
      it(`${what}${crashes ? ", of a process that is gone" : ""}: nothing stays`, async () => {
        await using world = await aWorldWith(push, before);
        await cutOff(world, act);
        if (crashes) {
          world.crash();
          world.start();
        }
        await gone(world);
        await world.advance("20s");
        if (!crashes) assert.equal(await held(world, PATH), undefined, "what stands there goes at once");
        await world.advance("1m");
        await world.advance(OVER);
        assert.deepEqual([await held(world, PATH), versions(world, PATH), await rows(world)], [undefined, made, []]);
      });
    }
  }

  it("of kv-v1: nothing stays", async () => {
    await using world = await aWorldWith({}, pushedTo(PATH, "old"));
    await cutOff(world, edited, `old/${PATH}`);
    await gone(world);
    await world.advance("20s");
    assert.equal(await held(world, PATH, "old"), undefined);
    await world.advance("55s");
    assert.equal((await held(world, PATH, "old"))?.password, "two", "it has no version to refuse");
    await world.advance(OVER);
    assert.deepEqual([await held(world, PATH, "old"), await rows(world)], [undefined, []]);
  });

  it("of a former path: nothing stays, and the new one is pushed to meanwhile", async () => {
    await using world = await aWorldWith({}, pushedTo(PATH));
    await cutOff(world, edited);
    await moved(world);
    await world.advance("50s");
    assert.deepEqual([await held(world, PATH), (await held(world, NEXT))?.password], [undefined, "two"]);
    await world.advance("30s");
    assert.equal((await held(world, PATH))?.password, "two", "it was carried out");
    await world.advance(OVER);
    assert.deepEqual([await held(world, PATH), (await held(world, NEXT))?.password], [undefined, "two"]);
    const row = await world.row("app", "Deployment");
    assert.deepEqual([row?.state.pushed?.map(({ path }) => path), row?.dueAt], [[NEXT], undefined]);
  });

  it("where someone else's data is adopted: theirs stays, ours goes", async () => {
    await using world = await aPushingWorld({ conflict: "adopt" });
    await world.given({ vault: PATH, data: { theirs: "x" } });
    await cutOff(world, pushedTo(PATH));
    await gone(world);
    await world.advance("20s");
    assert.deepEqual(await held(world, PATH), { theirs: "x" });
    assert.deepEqual(
      world.events("app").filter(({ reason }) => reason === "PushedDataLeft"),
      [],
    );
    await world.advance(OVER);
    assert.deepEqual([await held(world, PATH), versions(world, PATH)], [undefined, 2]);
  });

  it("is waited for as long as fleet.yaml lets Vault work on it", async () => {
    const settings = { vaults: [{ name: "main", addresses: [VAULT], identities: [], maxRequestDurationMs: 600_000 }] };
    await using world = await aPushingWorld({}, { clusters: [settings] });
    await pushedTo(PATH)(world);
    await world.advance("1m");
    await cutOff(world, edited);
    await gone(world);
    await world.advance("11m");
    assert.equal((await rows(world)).length, 1);
    await world.advance("2m");
    assert.deepEqual([await held(world, PATH), await rows(world)], [undefined, []]);
  });
});

describe("a path that waits for a late write", () => {
  it("is not given to another object before", async () => {
    await using world = await aWorldWith({}, pushedTo(PATH));
    await cutOff(world, edited);
    await gone(world);
    await world.advance("20s");
    await world.given(aPushed({ path: `kv/${PATH}`, secrets: SECRETS }, ["db"], "other"));
    await world.advance("20s");
    assert.equal((await world.row("other", "Deployment"))?.state.error?.code, "PATH_TAKEN");
    await world.advance(OVER);
    assert.deepEqual([(await held(world, PATH))?.password, versions(world, PATH)], ["two", 3]);
  });

  it("is written again when the annotation moves back", async () => {
    await using world = await aWorldWith({}, pushedTo(PATH));
    await cutOff(world, edited);
    await moved(world);
    await world.advance("45s");
    assert.equal(await held(world, PATH), undefined);
    await pushedTo(PATH)(world);
    await world.edit("Secret", "db", { data: { password: base64("three") } });
    await world.advance("45s");
    await world.advance(OVER);
    assert.deepEqual([(await held(world, PATH))?.password, await held(world, NEXT)], ["three", undefined]);
    const row = await world.row("app", "Deployment");
    assert.deepEqual(
      row?.state.pushed?.map(({ path, landsBy }) => [path, landsBy]),
      [[PATH, undefined]],
    );
  });

  it("is written again when its optional Secret is back", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}` }, ["db?"]));
    await world.advance("1m");
    await cutOff(world, edited, `kv/data/${PATH}/db`);
    await world.remove("Secret", "db");
    await world.advance("45s");
    assert.equal(await held(world, `${PATH}/db`), undefined);
    await world.given(aSecret());
    await world.advance("45s");
    await world.advance(OVER);
    assert.equal((await held(world, `${PATH}/db`))?.password, "one");
  });
});

describe("nothing is waited for", () => {
  it("when the write was carried out before the clean-up", async () => {
    await using world = await aWorldWith({}, pushedTo(PATH));
    let cuts = 0;
    world.vault.meddle(({ method, path }) => {
      if (cuts > 0 || method !== "POST" || path !== `kv/data/${PATH}`) return undefined;
      cuts += 1;
      return { answer: "cut" };
    });
    await edited(world);
    await world.advance("4s");
    await gone(world);
    await world.advance("20s");
    assert.deepEqual([cuts, await held(world, PATH), versions(world, PATH), await rows(world)], [1, undefined, 2, []]);
  });

  it("when no write is recorded", async () => {
    await using world = await aWorldWith({}, pushedTo(PATH));
    await gone(world);
    await world.advance("20s");
    assert.deepEqual([await held(world, PATH), await rows(world)], [undefined, []]);
  });
});
