import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DiscoveryDeps } from "../../../lib/discovery/deps.ts";
import { isPushTarget, pushTargets } from "../../../lib/discovery/push-targets.ts";
import { rowBudget } from "../../../lib/discovery/row-budget.ts";
import { missingRows } from "../../../lib/discovery/tombstone-missing.ts";
import { type ErrorCode, SyncError } from "../../../lib/errors.ts";
import { cleanupKey, referenceKey, type SyncKey, syncKey } from "../../../lib/keys.ts";
import { PUSH_FINALIZER } from "../../../lib/origins/annotated.ts";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import type { PushSettings } from "../../../lib/ports/fleet-push.ts";
import type { WorkMessage } from "../../../lib/ports/queue.ts";
import type { SeenResource } from "../../../lib/ports/resources.ts";
import type { RowState } from "../../../lib/ports/rows.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aCluster } from "../../builders.ts";
import { aSeen } from "./a-seen.ts";

const START = Date.UTC(2030, 0, 1);
const { signal } = new AbortController();
const PUSHED = { "vault-sync.io/path": "kv/app" };
const PUSH = {
  kinds: ["Deployment", "Secret"],
  secrets: "watch",
  namespaces: { include: ["*"], exclude: [] },
} as unknown as PushSettings;

interface Given {
  readonly push?: Partial<PushSettings> | undefined;
  readonly settings?: Partial<ClusterSettings>;
  readonly restores?: number;
  readonly denies?: ErrorCode;
}

/** What is followed of a cluster for pushes, its objects by name, and what was read, sent and released. */
function aScene({ push = {}, settings: more = {}, restores, denies }: Given = {}) {
  const store = simulatedSqliteStore(undefined);
  const sent: WorkMessage[] = [];
  const asked: string[] = [];
  const released: unknown[] = [];
  const log: string[] = [];
  const objects = new Map<string, SeenResource>();
  let now = START;
  const settings = aCluster({ push: { ...PUSH, ...push }, ...more });
  const crashed: object[] = [];
  const line = (event: string, fields: Readonly<Record<string, unknown>> = {}) => {
    log.push(event);
    const { cluster, kind, namespace, name } = fields;
    if (event === "object-crashed") crashed.push({ cluster, kind, namespace, name });
  };
  const deps = {
    ...{ leases: store, clock: () => now, log: { debug: line, info: line, warn: line, error: line } },
    metrics: { count: () => undefined },
    queue: { send: async (messages: readonly WorkMessage[]) => void sent.push(...messages) },
    resources: {
      async get({ kind, namespace, name }: { kind: { kind: string }; namespace: string; name: string }) {
        asked.push(`${kind.kind}/${namespace}/${name}`);
        return objects.get(name);
      },
      async removeFinalizers(
        { kind, namespace, name }: { kind: { kind: string }; namespace: string; name: string },
        finalizers: readonly string[],
      ) {
        if (denies) throw new SyncError(denies, "no");
        released.push([kind.kind, namespace, name, ...finalizers].join("/"));
      },
    },
  } as unknown as DiscoveryDeps;
  const targets = pushTargets(deps, {
    ...{ settings, isOurs: (namespace: string) => namespace !== "foreign", restores },
    missing: missingRows(deps, "east", { isApproved: true, before: undefined }),
    ...{ statusAfterMs: 0, certainAfterMs: 3_000, budget: rowBudget(deps, "east", undefined) },
  });
  const handler = (kind = "Deployment") =>
    targets.find(({ name }) => name === `push:${kind}`)?.handler ?? assert.fail(kind);
  const keyOf = (name = "app", kind = "Deployment"): SyncKey =>
    syncKey({ cluster: "east", kind, namespace: "shop", name });
  const app = (changed: Partial<SeenResource> = {}) => aSeen({ name: "app", annotations: PUSHED, ...changed });
  const keysSent = () => sent.splice(0).flatMap((message) => (message.kind === "keys" ? message.keys : []));
  const row = async (of = keyOf()) => (await store.read([of], "strong")).get(of);
  return {
    ...{ store, sent, asked, released, log, crashed, objects, targets, handler, keyOf, app, keysSent, row },
    keys: async () => (await store.byCluster("east")).map(({ key }) => key).sort(),
    pass(ms: number) {
      now += ms;
    },
    /** An annotated workload that the cluster has, seen and pushed. */
    async pushed(
      state: Partial<RowState> = {
        pushed: [{ vault: "v", mount: "kv", path: "app", engine: "kv-v2", digest: "d" }] as never,
      },
      of = keyOf(),
    ) {
      const found = (await row(of)) ?? assert.fail(`no row ${of}`);
      const { lease } = (await store.claim(found, { now, until: now + 1 })) ?? assert.fail();
      await store.settle(lease, { state: { ...found.state, ...state }, schedule: { kind: "parked" }, now });
      sent.length = 0;
    },
    async declared(object = app()) {
      objects.set(object.name, object);
      await handler().changed(object, signal);
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

describe("what is followed for pushes", () => {
  it("is each kind that fleet.yaml names by its metadata, and all Secrets if it says so", () => {
    const names = (given: Given) => aScene(given).targets.map(({ name, options }) => [name, options] as const);
    const whole = { metadataOnly: true };
    assert.deepEqual(names({}), [
      ["push:Deployment", whole],
      ["push:Secret", whole],
    ]);
    assert.deepEqual(names({ push: { kinds: ["Deployment"] } }), [
      ["push:Deployment", whole],
      ["push:Secret", whole],
    ]);
    assert.deepEqual(names({ push: { kinds: ["Deployment"], secrets: "poll" } }), [["push:Deployment", whole]]);
    assert.deepEqual(names({ push: { secrets: "poll" } }), [
      ["push:Deployment", whole],
      ["push:Secret", whole],
    ]);
    assert.deepEqual(aScene({ settings: { push: undefined } as never }).targets, []);
    const named = names({
      push: { kinds: ["Deployment"], secrets: "poll", namespaces: { include: ["shop", "bank"], exclude: [] } },
    });
    assert.deepEqual(
      named,
      ["shop", "bank"].map((namespace) => [`push:Deployment/${namespace}`, { ...whole, namespace }]),
    );
    assert.ok(aScene().targets.every(({ name, isReference }) => isPushTarget(name) && !isReference));
    assert.equal(isPushTarget("Secret"), false);
  });
});

describe("an annotated object", () => {
  it("is a row, from the whole object, due at once; another one is none", async () => {
    await using one = aScene();
    await one.declared();
    assert.deepEqual(
      [await one.keys(), one.keysSent(), one.asked],
      [[one.keyOf()], [one.keyOf()], ["Deployment/shop/app"]],
    );
    await one.handler().changed(aSeen({ name: "plain" }), signal);
    assert.deepEqual([await one.keys(), one.sent], [[one.keyOf()], []]);
    const declared = (await one.row())?.declared ?? assert.fail();
    assert.deepEqual([declared.labels, declared.annotations, declared.uid], [{}, PUSHED, "uid-of-app"]);
  });

  it("is not read again while nothing that counts changed", async () => {
    await using one = aScene();
    await one.declared();
    one.asked.length = 0;
    for (const changed of [{}, { resourceVersion: "101" }, { labels: { a: "b" } }])
      await one.handler().changed(one.app(changed), signal);
    assert.deepEqual(one.asked, []);
    for (const changed of [
      { generation: 2 },
      { annotations: { ...PUSHED, "vault-sync.io/secrets": "a" } },
      { deleting: true },
    ]) {
      one.objects.set("app", one.app(changed));
      await one.handler().changed(one.app(changed), signal);
    }
    assert.equal(one.asked.length, 3);
    await using listed = aScene();
    await listed.declared();
    const next = aScene();
    await using _next = next;
    for (const times of [1, 1]) {
      next.objects.set("app", next.app());
      await next.handler().list().page([next.app()], signal);
      assert.equal(next.asked.length, times);
    }
  });

  it("is not taken anew when the whole object is gone, another one, or not annotated any more", async () => {
    for (const whole of [
      undefined,
      aSeen({ name: "app", uid: "other", annotations: PUSHED }),
      aSeen({ name: "app" }),
    ]) {
      await using one = aScene();
      if (whole) one.objects.set("app", whole);
      await one.handler().changed(one.app(), signal);
      assert.deepEqual([await one.keys(), one.sent], [[], []]);
    }
  });

  it("is taken as it was last seen when the whole object is gone, or another one", async () => {
    const kept = { ...PUSHED, "vault-sync.io/preserve-on-delete": "true" };
    const db = { spec: { containers: [{ envFrom: [{ secretRef: { name: "db" } }] }] } };
    const takenBy = async (whole: SeenResource | undefined, uid = "uid-of-app") => {
      await using one = aScene();
      await one.declared(one.app({ spec: { template: db } }));
      if (whole) one.objects.set("app", whole);
      else one.objects.delete("app");
      await one.handler().changed(one.app({ uid, annotations: kept }), signal);
      const { annotations, spec } = (await one.row())?.declared ?? assert.fail();
      assert.deepEqual(spec, { mounted: [{ name: "db", optional: false }] });
      return annotations;
    };
    assert.deepEqual(await takenBy(undefined), kept);
    assert.deepEqual(await takenBy(aSeen({ name: "app", uid: "other", annotations: PUSHED })), kept);
    assert.deepEqual(await takenBy(aSeen({ name: "app" })), PUSHED, "it is there, and not annotated");
    assert.deepEqual(await takenBy(undefined, "other"), PUSHED, "the row is of another object");
  });

  it("that is a Secret is what was seen of it", async () => {
    await using one = aScene();
    await one.handler("Secret").changed(one.app({ name: "s" }), signal);
    assert.deepEqual([await one.keys(), one.asked], [[one.keyOf("s", "Secret")], []]);
  });

  it("is cleaned up once it is not annotated any more, at once", async () => {
    await using one = aScene();
    await one.declared();
    await one.pushed();
    await one.handler().changed(aSeen({ name: "app" }), signal);
    const retired = cleanupKey(one.keyOf(), "uid-of-app");
    assert.deepEqual([await one.keys(), one.sent.map(({ at }) => at), one.keysSent()], [[retired], [START], [retired]]);
    await one.handler().changed(aSeen({ name: "app" }), signal);
    assert.deepEqual(one.sent, [], "once");
  });

  it("is cleaned up a little after it is gone, and nothing else is", async () => {
    await using one = aScene();
    await one.declared();
    await one.pushed();
    await one.handler().deleted(aSeen({ name: "plain" }));
    await one.handler().deleted(one.app({ namespace: "foreign" }));
    assert.deepEqual(await one.keys(), [one.keyOf()]);
    await one.handler().deleted(one.app());
    assert.deepEqual(
      [one.sent.map(({ at }) => at), await one.keys()],
      [[START + 3_000], [cleanupKey(one.keyOf(), "uid-of-app")]],
    );
    assert.equal(await one.handler().notServed(), undefined);
  });

  it("that Vault Sync Operator wrote to before it was pushed is no news", async () => {
    await using one = aScene();
    const object = one.app({ annotations: { ...PUSHED, "vault-sync.io/secret-versions": "{}" } });
    await one.declared(object);
    await one.pushed();
    one.pass(60_000);
    await one.handler().changed(object, signal);
    assert.deepEqual(one.sent, []);
  });

  it("that comes back is taken anew", async () => {
    await using one = aScene();
    await one.declared();
    await one.pushed();
    await one.handler().deleted(one.app());
    one.asked.length = 0;
    await one.declared();
    assert.deepEqual([one.asked.length, (await one.keys()).includes(one.keyOf())], [1, true]);
  });

  it("of a namespace that keyferry does not serve is none, listed or seen", async () => {
    await using one = aScene();
    const foreign = one.app({ namespace: "foreign" });
    one.objects.set("app", foreign);
    await one.handler().changed(foreign, signal);
    await one.handler().list().page([foreign], signal);
    assert.deepEqual([await one.keys(), one.asked], [[], []]);
  });

  it("is another declaration after a restore of its cluster", async () => {
    const hash = async (restores?: number) => {
      await using one = aScene(restores === undefined ? {} : { restores });
      await one.declared();
      return (await one.row())?.declared.hash;
    };
    const [none, zero, first, second] = [await hash(), await hash(0), await hash(1), await hash(2)];
    assert.deepEqual([none === zero, new Set([zero, first, second]).size], [true, 3]);
  });

  it("loses Vault Sync Operator's finalizer when it goes, if it has it and keyferry may", async () => {
    const going = { deleting: true, finalizers: [PUSH_FINALIZER, "other"] };
    const released = async (changed: Partial<SeenResource>, denies?: ErrorCode) => {
      await using one = aScene(denies === undefined ? {} : { denies });
      await one.declared(one.app(changed));
      return [one.released, one.log.filter((event) => event === "finalizer-not-removed").length];
    };
    assert.deepEqual(await released(going), [[`Deployment/shop/app/${PUSH_FINALIZER}`], 0]);
    assert.deepEqual(await released({ ...going, annotations: {} }), [[`Deployment/shop/app/${PUSH_FINALIZER}`], 0]);
    assert.deepEqual(await released({ ...going, deleting: false }), [[], 0]);
    assert.deepEqual(await released({ ...going, finalizers: ["other"] }), [[], 0]);
    for (const denies of [
      "KUBE_DENIED",
      "KUBE_REJECTED",
      "KUBE_CONFLICT",
      "ADMISSION_DENIED",
      "ADMISSION_FAILED",
    ] as const)
      assert.deepEqual(await released(going, denies), [[], 1]);
    for (const code of ["KUBE_FAILED", "KUBE_UNREACHABLE"] as const)
      await assert.rejects(released(going, code), { code });
  });
});

describe("a list of annotated objects", () => {
  it("takes what is new, and cleans up what is in no page", async () => {
    await using one = aScene();
    for (const name of ["app", "gone"]) {
      await one.declared(aSeen({ name, annotations: PUSHED }));
      await one.pushed(undefined, one.keyOf(name));
    }
    one.objects.delete("gone");
    const listing = one.handler().list();
    one.objects.set("new", aSeen({ name: "new", annotations: PUSHED }));
    await listing.page([one.app(), aSeen({ name: "plain" })], signal);
    await listing.page([aSeen({ name: "new", annotations: PUSHED })], signal);
    assert.deepEqual(one.keysSent(), [one.keyOf("new")]);
    assert.equal(await listing.end(signal), undefined);
    const retired = cleanupKey(one.keyOf("gone"), "uid-of-gone");
    assert.deepEqual(await one.keys(), [one.keyOf(), one.keyOf("new"), retired].sort());
  });

  it("of one namespace leaves what is in others", async () => {
    const named = { include: ["shop", "bank"], exclude: [] };
    await using one = aScene({ push: { kinds: ["Deployment"], secrets: "watch", namespaces: named } });
    const of = (namespace: string) =>
      one.targets.find(({ name }) => name === `push:Deployment/${namespace}`)?.handler ?? assert.fail();
    for (const namespace of ["shop", "bank"]) {
      const object = one.app({ namespace });
      one.objects.set("app", object);
      await of(namespace).changed(object, signal);
    }
    one.objects.delete("app");
    await of("bank").list().end(signal);
    assert.deepEqual(await one.keys(), [one.keyOf()]);
    await one.pushed({
      refs: [referenceKey({ cluster: "east", kind: "Secret", namespace: "shop", name: "db" })],
      own: { sources: { db: "7" } },
    });
    one.pass(60_000);
    const secrets = one.targets.filter(({ name }) => name === "push:Secret/bank");
    await secrets[0]?.handler.list().end(signal);
    assert.deepEqual([secrets.length, one.keysSent()], [1, []]);
  });

  it("skips one that it stumbles over", async () => {
    await using one = aScene();
    const broken = aSeen({ name: "broken", annotations: PUSHED });
    Object.defineProperty(broken, "generation", {
      get: () => {
        throw new TypeError("bug");
      },
    });
    one.objects.set("app", one.app());
    await one.handler().list().page([broken, one.app()], signal);
    assert.deepEqual(await one.keys(), [one.keyOf()]);
    assert.deepEqual(one.crashed, [{ cluster: "east", kind: "Deployment", namespace: "shop", name: "broken" }]);
  });
});

describe("a Secret that is pushed from", () => {
  const ref = (name: string) => referenceKey({ cluster: "east", kind: "Secret", namespace: "shop", name });
  const taking = async (versions: Readonly<Record<string, string>>, refs: readonly string[]) => {
    const one = aScene();
    await one.declared();
    await one.pushed({ refs: refs.map(ref), own: { sources: versions } });
    one.pass(60_000);
    return one;
  };

  it("wakes what takes from it when it changes, and when it is gone", async () => {
    await using one = await taking({ db: "1" }, ["db"]);
    await one.handler("Secret").changed(aSeen({ name: "other" }), signal);
    await one.handler("Secret").changed(aSeen({ name: "db", namespace: "foreign" }), signal);
    assert.deepEqual(one.keysSent(), []);
    await one.handler("Secret").changed(aSeen({ name: "db" }), signal);
    assert.deepEqual([one.keysSent(), (await one.row())?.verify], [[one.keyOf()], false]);
    await one.pushed({ refs: [ref("db")] });
    one.pass(60_000);
    await one.handler("Secret").deleted(aSeen({ name: "db" }));
    assert.deepEqual(one.keysSent(), [one.keyOf()]);
    assert.equal(await one.handler("Secret").notServed(), undefined);
  });

  it("wakes at the end of a list what took from another version of it, or from one that was not there", async () => {
    for (const [versions, refs, isOutdated] of [
      [{ db: "7" }, ["db"], false],
      [{ db: "6" }, ["db"], true],
      [{}, ["db"], true],
      [{ gone: "7" }, ["gone"], true],
      [{}, ["gone"], false],
      [{ db: "7", gone: "7" }, ["db"], false],
    ] as const) {
      await using one = await taking(versions as Readonly<Record<string, string>>, refs);
      const listing = one.handler("Secret").list();
      await listing.page(
        [aSeen({ name: "db", resourceVersion: "7" }), aSeen({ name: "gone", namespace: "foreign" })],
        signal,
      );
      assert.deepEqual(one.keysSent(), []);
      await listing.end(signal);
      assert.deepEqual(one.keysSent(), isOutdated ? [one.keyOf()] : [], JSON.stringify(versions));
    }
  });
});
