import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { credentialTargets } from "../../../lib/discovery/credentials.ts";
import type { DiscoveryDeps } from "../../../lib/discovery/deps.ts";
import { rowBudget } from "../../../lib/discovery/row-budget.ts";
import { referenceKey, type SyncKey, syncKey } from "../../../lib/keys.ts";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import type { WorkMessage } from "../../../lib/ports/queue.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import type { JsonObject } from "../../../lib/util/json.ts";
import { aCluster, aDeclared, aKey, aReference } from "../../builders.ts";
import { aSeen } from "./a-seen.ts";

const START = Date.UTC(2030, 0, 1);
const { signal } = new AbortController();
const secret = (name: string, namespace = "shop") => referenceKey({ cluster: "east", kind: "Secret", namespace, name });
const auth = (spec: JsonObject) => aReference({ spec });
const PUSH = syncKey({ cluster: "east", kind: "Deployment", namespace: "shop", name: "app" });

/** Syncs that refer to Secrets, and what is followed because of that. */
async function aScene(
  spec: JsonObject = { jwt: { secretRef: "token" } },
  refs: Readonly<Record<string, readonly string[]>> = { [aKey()]: ["token"] },
  over: Partial<ClusterSettings> = {},
) {
  const store = simulatedSqliteStore(undefined);
  const sent: WorkMessage[] = [];
  let now = START;
  const deps = {
    ...{ leases: store, clock: () => now },
    queue: { send: async (messages: readonly WorkMessage[]) => void sent.push(...messages) },
    ...{ log: { debug() {}, info() {}, warn() {}, error() {} }, metrics: { count: () => undefined } },
  } as unknown as DiscoveryDeps;
  await store.putReference(auth(spec));
  const refer = async (key: SyncKey, names: readonly string[], namespace?: string) => {
    await store.declare(aDeclared({ key }), now);
    const row = (await store.read([key], "strong")).get(key) ?? assert.fail();
    const { lease } = (await store.claim(row, { now, until: now + 1 })) ?? assert.fail();
    const state = { ...row.state, refs: [...names.map((name) => secret(name, namespace)), aReference().key] };
    await store.settle(lease, { state, schedule: { kind: "parked" }, now });
    now += 60_000;
  };
  for (const [key, names] of Object.entries(refs) as [SyncKey, readonly string[]][]) await refer(key, names);
  const findIn = () => credentialTargets(deps, aCluster(over), rowBudget(deps, "east", undefined));
  const find = findIn();
  const targets = await find();
  const keysSent = () =>
    sent.splice(0).flatMap((message): readonly string[] => (message.kind === "keys" ? message.keys : [message.kind]));
  const known = async (isGone = false) =>
    (await store.referencesOf("east"))
      .filter((reference) => reference.key.includes("/Secret/") && (reference.isGone ?? false) === isGone)
      .map(({ key }) => key);
  return {
    store,
    refer,
    find,
    findAnew: () => findIn()(),
    targets,
    keysSent,
    known,
    handler: targets[0]?.handler,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

describe("the Secrets of logins and of CAs", () => {
  it("are followed one by one, by their metadata, once for all syncs that refer to them", async () => {
    const refs = { [aKey()]: ["token", "ca"], [aKey("other")]: ["ca"] };
    await using one = await aScene({ jwt: { secretRef: "token" } }, refs);
    assert.deepEqual(
      one.targets.map(({ name, kind, isReference, options }) => [name, kind.kind, isReference, options]),
      [
        ...["ca", "token"].map((name) => [
          `Secret:shop/${name}`,
          "Secret",
          false,
          { metadataOnly: true, namespace: "shop", name },
        ]),
      ],
    );
  });

  it("are none where no reference names any, where Secrets may not be watched, or of a push", async () => {
    const count = async (...given: Parameters<typeof aScene>) => {
      await using one = await aScene(...given);
      return one.targets.length;
    };
    assert.equal(await count(), 1);
    assert.equal(await count({ caCertSecretRef: "ca" }), 1);
    assert.equal(await count({ kubernetes: { serviceAccount: "sa" } }), 0);
    assert.equal(await count(undefined, undefined, { observe: "apply" }), 0);
    assert.equal(await count(undefined, { [PUSH]: ["token"] }), 0);
    assert.equal(await count(undefined, { [aKey()]: [] }), 0);
  });

  it("wake what refers to them when they are new, changed or gone, and not when they are the same", async () => {
    await using one = await aScene();
    const handler = one.handler ?? assert.fail();
    const list = async (...items: Parameters<ReturnType<typeof handler.list>["page"]>[0]) => {
      const listing = handler.list();
      await listing.page(items, signal);
      return listing.end(signal);
    };
    await list();
    assert.deepEqual([one.keysSent(), await one.known()], [[], []], "it was not there before either");
    const woken = ["token-sweep", aKey()];
    assert.equal(await list(aSeen({ name: "token" })), undefined);
    assert.deepEqual([one.keysSent(), await one.known()], [woken, [secret("token")]]);
    await list(aSeen({ name: "token" }));
    await handler.changed(aSeen({ name: "token" }), signal);
    assert.deepEqual([one.keysSent(), await one.known()], [[], [secret("token")]]);
    await handler.changed(aSeen({ name: "token", resourceVersion: "101" }), signal);
    assert.equal(one.keysSent()[0], "token-sweep");
    await handler.deleted(aSeen({ name: "token" }));
    assert.deepEqual([one.keysSent()[0], await one.known()], ["token-sweep", []]);
    await list(aSeen({ name: "token" }));
    one.keysSent();
    await list();
    assert.deepEqual([one.keysSent()[0], await one.known()], ["token-sweep", []], "a list without it");
    assert.equal(await handler.notServed(), undefined);
  });

  it("stay known as gone while a sync refers to them", async () => {
    await using one = await aScene();
    const handler = one.handler ?? assert.fail();
    await handler.deleted(aSeen({ name: "token" }));
    assert.deepEqual([await one.known(true), one.keysSent()], [[], []], "it was not known");
    await handler.changed(aSeen({ name: "token" }), signal);
    await handler.deleted(aSeen({ name: "token" }));
    await one.find();
    assert.deepEqual([await one.known(true), one.keysSent().length], [[secret("token")], 4]);
    await handler.deleted(aSeen({ name: "token" }));
    await handler.list().end(signal);
    assert.deepEqual(one.keysSent(), [], "it was gone before");
    await one.refer(aKey(), []);
    await one.find();
    assert.deepEqual(await one.known(true), []);
  });
});

const MANY = Array.from({ length: 21 }, (_, at) => `login-${at + 10}`);
const ALL = { metadataOnly: true, namespace: "shop" };

describe("the Secrets of logins in a namespace that names more than 20 of them", () => {
  it("are followed by one watch of all its Secrets, and those of other namespaces one by one", async () => {
    await using few = await aScene(undefined, { [aKey()]: MANY.slice(0, 20) });
    assert.equal(few.targets.length, 20);
    await using one = await aScene(undefined, { [aKey()]: MANY });
    await one.refer(aKey("other"), ["token"], "other");
    const [other, whole, ...more] = await one.findAnew();
    assert.equal(other?.name, "Secret:other/token");
    assert.deepEqual([whole?.options, whole?.isReference, more], [ALL, false, []]);
  });

  it("are never more than 20 watches and that one, also when ever other names are named in one pass", async () => {
    await using one = await aScene(undefined, { [aKey()]: MANY.slice(0, 20) });
    const watched = new Set(one.targets.map(({ name }) => name));
    for (let round = 0; round < 3; round++) {
      await one.refer(
        aKey(),
        MANY.slice(0, 20).map((name) => `${name}-${round}`),
      );
      for (const { name } of await one.find()) watched.add(name);
    }
    assert.equal(watched.size, 21);
  });

  it("are listed with the next pass when others are named, and otherwise go on from its cursor", async () => {
    await using one = await aScene(undefined, { [aKey()]: MANY });
    const [before, again] = [one.targets, await one.findAnew()];
    assert.deepEqual([again[0]?.name, again.length], [before[0]?.name, 1]);
    await one.refer(aKey("other"), ["one-more"]);
    const after = await one.findAnew();
    assert.deepEqual([after[0]?.options, after.length, after[0]?.name === before[0]?.name], [ALL, 1, false]);
  });

  it("wake what refers to them as each alone would, and other Secrets wake nothing and are not stored", async () => {
    await using one = await aScene(undefined, { [aKey()]: MANY.slice(1), [aKey("other")]: MANY.slice(0, 1) });
    const handler = one.handler ?? assert.fail();
    const [name = "", next = ""] = MANY;
    const list = async (...items: readonly string[]) => {
      const listing = handler.list();
      for (const item of items) await listing.page([aSeen({ name: item })], signal);
      return listing.end(signal);
    };
    assert.equal(await list("someone-elses"), undefined);
    assert.deepEqual([one.keysSent(), await one.known()], [[], []]);
    await list("someone-elses", name);
    assert.deepEqual([one.keysSent(), await one.known()], [["token-sweep", aKey("other")], [secret(name)]]);
    await list(name);
    await handler.changed(aSeen({ name: "someone-elses" }), signal);
    await handler.deleted(aSeen({ name: "someone-elses" }));
    assert.deepEqual([one.keysSent(), await one.known()], [[], [secret(name)]]);
    await handler.changed(aSeen({ name: next }), signal);
    assert.deepEqual(one.keysSent(), ["token-sweep", aKey()]);
    await handler.deleted(aSeen({ name: next }));
    assert.deepEqual([one.keysSent()[0], await one.known()], ["token-sweep", [secret(name)]]);
    await list();
    assert.deepEqual([one.keysSent()[0], await one.known()], ["token-sweep", []], "a list without it");
    await one.refer(aKey("third"), ["late"]);
    await one.find();
    await handler.changed(aSeen({ name: "late" }), signal);
    assert.deepEqual([one.keysSent(), await one.known()], [["token-sweep", aKey("third")], [secret("late")]]);
  });

  it("are not taken for missing when they are named during a list that has passed them", async () => {
    await using one = await aScene(undefined, { [aKey()]: MANY });
    const handler = one.handler ?? assert.fail();
    const listing = handler.list();
    await listing.page([aSeen({ name: "late" })], signal);
    await one.refer(aKey("third"), ["late"]);
    await one.find();
    await handler.changed(aSeen({ name: "late" }), signal);
    await listing.end(signal);
    assert.deepEqual(await one.known(), [secret("late")]);
  });

  it("are no more than 20 one by one where rights by namespace do not reach, and the same ones with each pass", async () => {
    const names = ["vault-ca", ...MANY];
    const namespaces = { include: ["web", "shop"], exclude: [] };
    await using one = await aScene(undefined, { [aKey()]: MANY }, { namespaces });
    assert.deepEqual([one.targets[0]?.options, one.targets.length], [ALL, 1], "a namespace that is served");
    await one.refer(aKey(), names, "vso");
    const watched = async (find: typeof one.find) => (await find()).flatMap(({ options }) => options.name ?? []);
    const first = await watched(one.findAnew);
    assert.deepEqual(first, MANY.slice(0, 20));
    assert.deepEqual(await watched(one.findAnew), first);

    await using before = await aScene(undefined, { [aKey()]: [] }, { namespaces });
    await before.refer(aKey(), ["vault-ca"], "vso");
    await before.find();
    await before.refer(aKey(), names, "vso");
    const chosen = ["vault-ca", ...MANY.slice(0, 19)];
    assert.deepEqual(await watched(before.find), chosen, "one that is watched already stays");
    await before.refer(aKey(), ["aardvark"], "vso");
    assert.deepEqual(await watched(before.find), chosen, "until the next pass");
    assert.deepEqual(await watched(before.findAnew), ["aardvark"]);
  });
});
