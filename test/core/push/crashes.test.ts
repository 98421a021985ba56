import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VAULT } from "../world/builders.ts";
import type { Effect } from "../world/effects.ts";
import { aPushed, aPushingWorld, aSecret, held, versions } from "../world/pushing.ts";
import { base64 } from "../world/views.ts";
import type { World } from "../world/world.ts";

const PATH = "apps/shop/app";
const DECLARED = { path: `kv/${PATH}`, secrets: '[{"name":"db","keys":["user","password"]}]' };
const MOST_EFFECTS = 40;

/** What changes something, and requests to Vault; not what ticks and watches ask again and again. */
const COUNTED =
  /^(vault |store (claim|claimPush|record|settle|declare|tombstone|endRun|release)$|(get|post|patch|put|delete) )/;

type Where = "before" | "after";

/** Stops a process for ever at its n-th effect on Vault, the table or the cluster, counted from `begin` on. */
function stopAt(number: number, where: Where) {
  let count = 0;
  let isCounting = false;
  const reached = { value: false };
  const never = new Promise<never>(() => undefined);
  const effect: Effect = async (name, work) => {
    if (!isCounting || !COUNTED.test(name)) return reached.value ? never : work();
    count += 1;
    if (count !== number) return reached.value ? never : work();
    if (where === "after") await work();
    reached.value = true;
    return never;
  };
  const begin = (): void => {
    isCounting = true;
  };
  return { effect, reached, begin };
}

/** One act at every effect of it, before and after: until it has no such effect any more. */
async function atEveryEffect(
  where: Where,
  prepare: (world: World) => Promise<void>,
  act: (world: World) => Promise<void>,
  judge: (world: World, at: string) => Promise<void>,
): Promise<number> {
  for (let number = 1; number <= MOST_EFFECTS; number++) {
    await using world = await aPushingWorld({}, { isAsleep: true });
    const stop = stopAt(number, where);
    world.start({ effect: stop.effect });
    await prepare(world);
    stop.begin();
    await act(world);
    await world.advance("40s");
    world.crash();
    world.start();
    await world.advance("6m");
    await judge(world, `${where} effect ${number}`);
    if (!stop.reached.value) return number - 1;
  }
  throw new Error("it has no end");
}

const given = (world: World) => world.given(aSecret(), aPushed(DECLARED));
const pushed = async (world: World): Promise<void> => {
  await given(world);
  await world.advance("2m");
};
const changed = (world: World) => world.edit("Secret", "db", { data: { password: base64("two") } });

for (const where of ["before", "after"] as const) {
  describe(`killed ${where} every effect`, () => {
    it("a first push makes one version", async () => {
      const effects = await atEveryEffect(
        where,
        async () => undefined,
        given,
        async (world, at) => {
          assert.deepEqual([await held(world, PATH), versions(world, PATH)], [{ user: "app", password: "one" }, 1], at);
        },
      );
      assert.ok(effects > 5, `${effects} effects`);
    });

    it("a changed Secret makes one more", async () => {
      await atEveryEffect(where, pushed, changed, async (world, at) => {
        assert.deepEqual([(await held(world, PATH))?.password, versions(world, PATH)], ["two", 2], at);
      });
    });

    it("a changed Secret makes one more, also where the Vault gets a name at that moment", async () => {
      const named = async (world: World): Promise<void> => {
        const vaults = [{ name: "main", addresses: [VAULT], identities: [] }];
        world.fleet((all) => all.map((one) => ({ ...one, vaults })));
        await changed(world);
      };
      await atEveryEffect(where, pushed, named, async (world, at) => {
        const told = world.events("app").filter(({ type }) => type === "Warning");
        const paths = (await world.row("app", "Deployment"))?.state.pushed?.map(({ vault }) => vault);
        const now = [(await held(world, PATH))?.password, versions(world, PATH), told, paths];
        assert.deepEqual(now, ["two", 2, [], ["main"]], at);
      });
    });

    it("a binary value is listed with one version, and unlisted with the next one when it is text", async () => {
      const bytes = Uint8Array.of(0xff, 0xfe);
      const text = Buffer.from(bytes).toString("base64");
      const binary = (world: World) => world.given(aSecret("db", { user: "app", password: bytes }), aPushed(DECLARED));
      const listed = async (world: World): Promise<object> => {
        const { body } = await world.vault.request<{ data?: { custom_metadata: object | null } }>(
          "GET",
          `kv/metadata/${PATH}`,
        );
        return body.data?.custom_metadata ?? {};
      };
      await atEveryEffect(
        where,
        async () => undefined,
        async (world) => void (await binary(world)),
        async (world, at) => {
          const now = [(await held(world, PATH))?.password, versions(world, PATH), await listed(world)];
          assert.deepEqual(now, [text, 1, { "keyferry.base64": "password" }], at);
        },
      );
      const before = async (world: World): Promise<void> => {
        await binary(world);
        await world.advance("2m");
      };
      await atEveryEffect(where, before, changed, async (world, at) => {
        const now = [(await held(world, PATH))?.password, versions(world, PATH), await listed(world)];
        assert.deepEqual(now, ["two", 2, {}], at);
      });
    });

    it("a deletion leaves nothing behind of a write that Vault carries out long after it", async () => {
      const late = async (world: World): Promise<void> => {
        let cuts = 0;
        world.vault.meddle(({ method, path }) => {
          if (cuts > 0 || method !== "POST" || path !== `kv/data/${PATH}`) return undefined;
          cuts += 1;
          return { workMs: 75_000, isEarly: true };
        });
        await changed(world);
        await world.advance("4s");
        await world.remove("Deployment", "app");
      };
      await atEveryEffect(where, pushed, late, async (world, at) => {
        const rows = (await world.store.byCluster("east")).filter(({ key }) => key.includes("Deployment"));
        assert.deepEqual([await held(world, PATH), rows], [undefined, []], at);
      });
    });

    it("a deletion leaves nothing behind, also after a change that was not recorded", async () => {
      const both = async (world: World): Promise<void> => {
        await changed(world);
        await world.advance("35s");
        await world.remove("Deployment", "app");
      };
      await atEveryEffect(where, pushed, both, async (world, at) => {
        assert.equal(await held(world, PATH), undefined, at);
        const left = (await world.store.byCluster("east")).filter(({ key }) => key.includes("Deployment"));
        assert.deepEqual(left, [], at);
      });
    });
  });
}
