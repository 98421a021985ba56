import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DiscoveryDeps } from "../../../lib/discovery/deps.ts";
import { type HandlerContext, referenceHandler, syncHandler } from "../../../lib/discovery/event-handlers.ts";
import { rowBudget } from "../../../lib/discovery/row-budget.ts";
import { missingRows } from "../../../lib/discovery/tombstone-missing.ts";
import { SyncError } from "../../../lib/errors.ts";
import { syncKey } from "../../../lib/keys.ts";
import { HANDED_OVER } from "../../../lib/origins/handed-over.ts";
import type { WorkMessage } from "../../../lib/ports/queue.ts";
import type { SeenResource } from "../../../lib/ports/resources.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import {
  type KindRef,
  VAULT_AUTH,
  VAULT_AUTH_GLOBAL,
  VAULT_CONNECTION,
  VAULT_DYNAMIC_SECRET,
  VAULT_STATIC_SECRET,
} from "../../../lib/resource-kinds.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aCluster } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";
import { aSeen } from "./a-seen.ts";

const START = Date.UTC(2030, 0, 1);
const { signal } = new AbortController();

/** A store, the cluster's objects by name, and what handlers sent, asked for and looked at. */
function aScene(changed: Partial<HandlerContext> = {}, store = simulatedSqliteStore(undefined)) {
  let now = START;
  const world = { sent: [] as WorkMessage[], asked: [] as string[], looked: [] as string[], checked: 0 };
  const crashed: object[] = [];
  const error = (_event: string, { cluster: of, kind, namespace, name }: Readonly<Record<string, unknown>> = {}) =>
    void crashed.push({ cluster: of, kind, namespace, name });
  const cluster = new Map<string, SeenResource>();
  const settings = aCluster();
  const deps = {
    ...{ leases: store, clock: () => now, log: { ...QUIET, error }, metrics: { count: () => undefined } },
    queue: { send: async (more: readonly WorkMessage[]) => void world.sent.push(...more) },
    resources: {
      async get({ cluster: of, namespace, name, kind }: Parameters<DiscoveryDeps["resources"]["get"]>[0]) {
        world.asked.push(name);
        const found = of === "east" && kind === VAULT_STATIC_SECRET ? cluster.get(name) : undefined;
        return found?.namespace === namespace ? found : undefined;
      },
    },
  } as unknown as DiscoveryDeps;
  const context: HandlerContext = {
    ...{ settings, isOurs: (namespace) => namespace !== "foreign", scope: undefined, list: "one" },
    missing: missingRows(deps, settings.name, { isApproved: true, before: undefined }),
    ...{ restores: undefined, statusAfterMs: 2_000, certainAfterMs: 3_000 },
    budget: rowBudget(deps, settings.name, undefined),
    ...changed,
  };
  const vso = {
    see: async (_row: unknown, { name }: SeenResource) => void world.looked.push(name),
    latest: () => ({}),
  };
  const guard = {
    async check() {
      world.checked += 1;
    },
    isStranger: () => false,
  };
  return {
    ...{ ...world, world, store, cluster, crashed },
    syncs: (kind: KindRef = VAULT_STATIC_SECRET) => syncHandler(deps, kind, { ...context, vso }),
    references: (kind: KindRef = VAULT_AUTH) => referenceHandler(deps, kind, { ...context, guard }),
    pass(ms: number) {
      now += ms;
    },
    keysSent: () =>
      world.sent.flatMap((message) =>
        message.kind === "keys" ? message.keys.map((key) => key.split("/").at(-1)) : [],
      ),
    keys: async () => (await store.byCluster("east")).map(({ key }) => key).sort(),
    row: async (name = "db", kind = "VaultStaticSecret", namespace = "shop") => {
      const key = syncKey({ cluster: "east", kind, namespace, name });
      return (await store.read([key], "strong")).get(key);
    },
    /** Its run has written the Secret. */
    async owning(name = "db") {
      const row = (await this.row(name)) ?? assert.fail("no row");
      const { lease } = (await store.claim(row, { now, until: now + 60_000 })) ?? assert.fail("not claimed");
      const state = { ...EMPTY_STATE, owned: [{ name }] };
      await store.settle(lease, { state, schedule: { kind: "parked" }, now });
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

const handedOver = { annotations: { [HANDED_OVER]: "true" } };

describe("a declaration that was seen", () => {
  it("is a row, due at once", async () => {
    await using scene = aScene();
    await scene.syncs().changed(aSeen(), signal);
    assert.equal((await scene.row())?.dueAt, START);
    assert.deepEqual([scene.keysSent(), scene.looked], [["db"], ["db"]]);
  });

  it("has a row as long as its namespace has room for more, counting those of this pass", async () => {
    const store = simulatedSqliteStore(undefined);
    const size = { rows: 2, bytes: 1_000_000 };
    const limits = { namespace: size, cluster: { ...size, rows: 9 } };
    await using scene = aScene({ budget: rowBudget({ leases: store }, "east", undefined, limits) }, store);
    for (const name of ["a", "b", "c"]) await scene.syncs().changed(aSeen({ name }), signal);
    await scene.syncs().changed(aSeen({ namespace: "bank" }), signal);
    const names = (await scene.keys()).map((key) => key.split("/").slice(2).join("/"));
    assert.deepEqual(names, ["bank/db", "shop/a", "shop/b"]);
  });

  it("is none of a namespace that keyferry does not serve, neither seen nor gone", async () => {
    await using scene = aScene();
    const foreign = aSeen({ namespace: "foreign" });
    await scene.syncs().changed(foreign, signal);
    const listing = scene.syncs().list();
    await listing.page([foreign], signal);
    assert.deepEqual([await scene.keys(), scene.sent, scene.looked], [[], [], []]);
    await using all = aScene({ isOurs: () => true });
    await all.syncs().changed(foreign, signal);
    await aScene({}, all.store).syncs().deleted(foreign);
    assert.equal((await all.keys()).length, 1, "its row stays");
  });

  it("is left alone when it was handed over before it had a row", async () => {
    await using scene = aScene();
    await scene.syncs().changed(aSeen(handedOver), signal);
    await scene
      .syncs()
      .list()
      .page([aSeen(handedOver)], signal);
    assert.deepEqual([await scene.keys(), scene.looked], [[], []]);
  });

  it("is followed when it was handed over with a row, so that this is released", async () => {
    await using scene = aScene();
    await scene.syncs().changed(aSeen(), signal);
    await scene.syncs().changed(aSeen({ ...handedOver, resourceVersion: "101" }), signal);
    assert.equal((await scene.row())?.declared.annotations[HANDED_OVER], "true");
    await using listed = aScene();
    await listed.syncs().changed(aSeen(), signal);
    await listed
      .syncs()
      .list()
      .page([aSeen({ ...handedOver, resourceVersion: "101" }), aSeen({ ...handedOver, name: "new" })], signal);
    assert.equal((await listed.row())?.declared.annotations[HANDED_OVER], "true");
    assert.equal(await listed.row("new"), undefined);
  });

  it("writes nothing when it is the same: most events come from our own status writes", async () => {
    await using scene = aScene();
    await scene.syncs().changed(aSeen(), signal);
    await scene.syncs().changed(aSeen({ resourceVersion: "99", status: { a: 1 } }), signal);
    assert.deepEqual([scene.keysSent(), scene.asked], [["db"], []]);
  });

  it("is read again where its row is newer than the event", async () => {
    await using scene = aScene();
    await scene.syncs().changed(aSeen({ spec: { path: "b" } }), signal);
    scene.cluster.set("db", aSeen({ spec: { path: "c" }, resourceVersion: "102" }));
    await scene.syncs().changed(aSeen({ spec: { path: "a" }, resourceVersion: "99" }), signal);
    assert.deepEqual((await scene.row())?.declared.spec, { path: "c" });
    assert.deepEqual(scene.asked, ["db"]);
    await scene.syncs().changed(aSeen({ spec: { path: "d" }, resourceVersion: "103" }), signal);
    assert.deepEqual((await scene.row())?.declared.spec, { path: "d" }, "a newer event is taken as it is");
    assert.deepEqual(scene.asked, ["db"]);
  });

  it("is read again where the event is of a predecessor, and the row stays when nothing is there", async () => {
    await using scene = aScene();
    await scene.syncs().changed(aSeen({ uid: "second" }), signal);
    await scene.syncs().changed(aSeen({ uid: "first", resourceVersion: "99" }), signal);
    assert.equal((await scene.row())?.declared.uid, "second");
    assert.deepEqual(scene.asked, ["db"]);
  });

  it("is a clean-up a little after it is gone, because its kind may go with it", async () => {
    await using scene = aScene();
    await scene.syncs().changed(aSeen(), signal);
    await scene.owning();
    await scene.syncs().deleted(aSeen());
    assert.deepEqual(await scene.keys(), ["east/VaultStaticSecret/shop/db#uid-of-db"]);
    assert.equal(scene.sent.at(-1)?.at, START + 3_000);
  });

  it("is not gone because its kind is no longer served: that is told", async () => {
    await using scene = aScene();
    await scene.syncs().notServed();
    await scene.syncs().changed(aSeen(), signal);
    await scene.syncs(VAULT_DYNAMIC_SECRET).notServed();
    await assert.rejects(
      scene.syncs().notServed(),
      (error) => error instanceof SyncError && error.code === "KUBE_REJECTED",
    );
  });
});

describe("a list of declarations", () => {
  it("writes what is new in each page, and tombstones at its end what was in none", async () => {
    await using scene = aScene();
    const names = ["a", "b", "c"];
    for (const name of names) await scene.syncs().changed(aSeen({ name }), signal);
    const listing = scene.syncs().list();
    await listing.page([aSeen({ name: "a" }), aSeen({ name: "new" })], signal);
    await listing.page([aSeen({ name: "b" })], signal);
    assert.deepEqual(scene.keysSent(), [...names, "new"], "what is known is not due again");
    assert.equal(await listing.end(signal), undefined);
    assert.deepEqual(
      (await scene.keys()).map((key) => key.split("/").at(-1)),
      ["a", "b", "new"],
    );
    assert.deepEqual(scene.asked, ["c"], "by name, before it counts as gone");
  });

  it("leaves what is of another kind, of another namespace than it covers, and clean-ups", async () => {
    await using scene = aScene({ scope: "shop" });
    await scene.syncs(VAULT_DYNAMIC_SECRET).changed(aSeen({ name: "dynamic" }), signal);
    await scene.syncs().changed(aSeen({ name: "bank", namespace: "bank" }), signal);
    await scene.syncs().changed(aSeen({ name: "gone" }), signal);
    await scene.owning("gone");
    // The second list finds the clean-up that the first one has left.
    for (const _list of ["first", "second"]) {
      await scene.syncs().list().end(signal);
      assert.deepEqual(await scene.keys(), [
        "east/VaultDynamicSecret/shop/dynamic",
        "east/VaultStaticSecret/bank/bank",
        "east/VaultStaticSecret/shop/gone#uid-of-gone",
      ]);
    }
    assert.deepEqual(scene.asked, ["gone"]);
  });

  it("skips an object that it stumbles over, and takes the others", async () => {
    await using scene = aScene();
    const broken = aSeen({ name: "broken" });
    Object.defineProperty(broken, "labels", {
      get: () => {
        throw new TypeError("bug");
      },
    });
    await scene.syncs().list().page([broken, aSeen()], signal);
    await scene.references().list().page([broken], signal);
    assert.deepEqual(await scene.keys(), ["east/VaultStaticSecret/shop/db"]);
    const of = { cluster: "east", namespace: "shop", name: "broken" };
    assert.deepEqual(scene.crashed, [
      { ...of, kind: "VaultStaticSecret" },
      { ...of, kind: "VaultAuth" },
    ]);
  });

  it("looks at who wrote the statuses: the two newest of each namespace, not of all", async () => {
    await using scene = aScene();
    const at = (name: string, seconds: number, namespace = "shop") =>
      aSeen({ name, namespace, statusBy: { manager: "vso", at: START - seconds * 1_000 } });
    await scene
      .syncs()
      .list()
      .page([at("old", 30), at("newest", 10), at("new", 20), at("other", 40, "bank"), aSeen({ name: "ours" })], signal);
    assert.deepEqual(scene.looked, ["newest", "new", "other"]);
  });

  it("is done with those writes before any of its syncs is sent", async () => {
    await using scene = aScene();
    const order: number[] = [];
    const push = scene.looked.push.bind(scene.looked);
    scene.looked.push = (...names) => {
      order.push(scene.sent.length);
      return push(...names);
    };
    await scene
      .syncs()
      .list()
      .page([aSeen({ statusBy: { manager: "vso", at: START - 1_000 } })], signal);
    assert.deepEqual([order, scene.keysSent()], [[0], ["db"]]);
  });
});

describe("a reference that was seen", () => {
  const sweeps = (sent: readonly WorkMessage[]) => sent.filter(({ kind }) => kind === "token-sweep").length;

  it("is stored with a run for its status, and what refers to it runs again", async () => {
    await using scene = aScene();
    const row = await referring(scene);
    await scene.references().changed(aSeen({ name: "auth", spec: { mount: "one" } }), signal);
    assert.deepEqual(scene.keysSent(), ["auth", "db"]);
    assert.equal(sweeps(scene.sent), 1);
    assert.equal(scene.world.checked, 1);
    assert.equal((await scene.row("auth", "VaultAuth"))?.dueAt, START + 60_000, "an event's status is written at once");
    scene.sent.length = 0;
    await scene.references().changed(aSeen({ name: "auth", spec: { mount: "one" } }), signal);
    assert.deepEqual(scene.sent, [], "the same is no news");
    assert.ok(row);
  });

  it("is no more when it is gone, and what refers to it runs again", async () => {
    await using scene = aScene();
    await referring(scene);
    const auth = aSeen({ name: "auth" });
    await scene.references().changed(auth, signal);
    scene.pass(60_000);
    scene.sent.length = 0;
    await scene.references().deleted(auth);
    assert.deepEqual([await scene.store.referencesOf("east"), sweeps(scene.sent)], [[], 1]);
    scene.sent.length = 0;
    await scene.references().deleted(auth);
    assert.deepEqual(scene.sent, []);
    assert.equal(await scene.references().notServed(), undefined);
  });

  it("is in a list, whose end drops those that were not, of this kind and namespace, and wakes each sync once", async () => {
    await using scene = aScene({ scope: "shop" });
    await referring(scene);
    for (const name of ["auth", "kept"]) await scene.references().changed(aSeen({ name }), signal);
    await scene.references().changed(aSeen({ name: "bank", namespace: "bank" }), signal);
    await scene.references(VAULT_CONNECTION).changed(aSeen({ name: "connection" }), signal);
    scene.pass(60_000);
    scene.sent.length = 0;
    const listing = scene.references().list();
    await listing.page([aSeen({ name: "kept" }), aSeen({ name: "new" })], signal);
    assert.deepEqual(scene.keysSent(), ["new"]);
    assert.equal((await scene.row("new", "VaultAuth"))?.dueAt, START + 122_000, "a listed one's a little later");
    assert.equal(sweeps(scene.sent), 0, "what refers to it is told at the end");
    await listing.end(signal);
    assert.deepEqual((await scene.store.referencesOf("east")).map(({ key }) => key).sort(), [
      ...["east/VaultAuth/bank/bank", "east/VaultAuth/shop/kept", "east/VaultAuth/shop/new"],
      "east/VaultConnection/shop/connection",
    ]);
    assert.deepEqual([sweeps(scene.sent), scene.keysSent()], [1, ["new", "db"]]);
  });

  it("has a status only of a kind that has one, in a namespace that keyferry serves or the operator's, while it is there", async () => {
    const settings = aCluster({ namespaces: { include: ["shop"], exclude: [] } });
    for (const [kind, changed, hasRow] of [
      [VAULT_AUTH, {}, true],
      [VAULT_AUTH, { namespace: "vso" }, true],
      [VAULT_AUTH, { namespace: "bank" }, false],
      [VAULT_AUTH, { deleting: true }, false],
      [VAULT_AUTH_GLOBAL, {}, false],
    ] as const) {
      await using scene = aScene({ settings });
      await scene.references(kind).changed(aSeen({ name: "auth", ...changed }), signal);
      const { namespace = "shop" } = changed as { namespace?: string };
      assert.equal(
        (await scene.row("auth", kind.kind, namespace)) !== undefined,
        hasRow,
        `${kind.kind} ${JSON.stringify(changed)}`,
      );
      assert.equal((await scene.store.referencesOf("east")).length, 1);
    }
  });

  it("that changed between two lists wakes what refers to it, at the end of the second", async () => {
    await using scene = aScene();
    await referring(scene);
    await scene.references().changed(aSeen({ name: "auth", spec: { mount: "one" } }), signal);
    scene.pass(60_000);
    scene.sent.length = 0;
    const before = scene.world.checked;
    const listing = scene.references().list();
    await listing.page([aSeen({ name: "auth", spec: { mount: "two" } })], signal);
    assert.equal(scene.world.checked, before + 1, "whether it is a stranger's");
    await listing.end(signal);
    assert.equal(sweeps(scene.sent), 1);
  });

  it("wakes nothing where nothing changed", async () => {
    await using scene = aScene();
    await scene.references().changed(aSeen({ name: "auth" }), signal);
    scene.sent.length = 0;
    const listing = scene.references().list();
    await listing.page([aSeen({ name: "auth" })], signal);
    await listing.end(signal);
    assert.deepEqual(scene.sent, []);
  });
});

/** A settled sync that refers to VaultAuth `auth`, a minute ago. */
async function referring(scene: ReturnType<typeof aScene>) {
  await scene.syncs().changed(aSeen(), signal);
  const row = (await scene.row()) ?? assert.fail("no row");
  const claimed = await scene.store.claim(row, { now: START, until: START + 60_000 });
  assert.ok(claimed);
  const refs = [syncKey({ cluster: "east", kind: "VaultAuth", namespace: "shop", name: "auth" })];
  const state = { ...EMPTY_STATE, refs: refs as never };
  await scene.store.settle(claimed.lease, { state, schedule: { kind: "parked" }, now: START });
  scene.pass(60_000);
  scene.sent.length = 0;
  scene.looked.length = 0;
  return row;
}
