import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DiscoveryDeps } from "../../../lib/discovery/deps.ts";
import type { EventHandler } from "../../../lib/discovery/event-handlers.ts";
import { CURSOR_MAX_AGE_MS, listAndWatch, type Progress } from "../../../lib/discovery/list-and-watch.ts";
import { SyncError } from "../../../lib/errors.ts";
import type { ListPage, WatchEvent } from "../../../lib/ports/clusters.ts";
import type { SeenResource } from "../../../lib/ports/resources.ts";
import { VAULT_STATIC_SECRET } from "../../../lib/resource-kinds.ts";
import { type Slots, slots } from "../../../lib/util/slots.ts";

const NOW = Date.UTC(2030, 0, 1);
const object = (name: string, resourceVersion: string) =>
  ({ namespace: "shop", name, resourceVersion }) as unknown as SeenResource;
const cursor = (resourceVersion: string, movedAt = NOW) => ({ resourceVersion, movedAt });

interface Scene {
  readonly pages?: readonly (ListPage | undefined)[];
  /** Watches, one after the other. */
  readonly watches?: readonly (readonly WatchEvent[])[];
  readonly from?: Progress;
  readonly seconds?: number;
  /** The handler meets this at the object of this name. */
  readonly fails?: { readonly at: string; readonly error: Error };
  readonly aborts?: boolean;
  /** Instead of pages. */
  readonly listFails?: (abort: () => void) => never;
  readonly lists?: Slots;
  /** Given: what several scenes did, in order. */
  readonly done?: string[];
}

/** What was asked of the cluster and handed on, in order, and the progress at the end. */
async function scene({
  pages = [],
  watches = [],
  from = {},
  seconds = 60,
  fails,
  aborts = false,
  listFails,
  lists = slots({ atOnce: 1, ofPlace: 1, inAll: 1 }),
  done = [],
}: Scene) {
  const logged: string[] = [];
  const controller = new AbortController();
  const [leftPages, leftWatches] = [[...pages], [...watches]];
  const line = (event: string, fields: object) => void logged.push(`${event} ${JSON.stringify(fields)}`);
  const deps = {
    clock: () => NOW,
    log: { debug: () => undefined, error: line, warn: line },
    metrics: { count: () => undefined },
    clusters: {
      async list(_cluster: string, _kind: unknown, _options: unknown, page: string | undefined) {
        done.push(`list ${page ?? "from the start"}`);
        listFails?.(() => controller.abort(new Error("stop")));
        return leftPages.shift();
      },
      async *watch(_cluster: string, _kind: unknown, _options: unknown, since: { resourceVersion: string }) {
        done.push(`watch from ${since.resourceVersion}`);
        yield* leftWatches.shift() ?? [];
      },
    },
  } as unknown as DiscoveryDeps;
  const take = async (how: string, { name }: SeenResource) => {
    if (fails?.at === name) throw fails.error;
    done.push(`${how} ${name}`);
  };
  const handler: EventHandler = {
    list: () => ({
      page: async (items) => void done.push(`page of ${items.map(({ name }) => name)}`),
      end: async () => void done.push("end of the list"),
    }),
    changed: (seen) => take("changed", seen),
    deleted: (seen) => take("deleted", seen),
    notServed: async () => void done.push("not served"),
  };
  if (aborts) controller.abort(new Error("stop"));
  const progress = await listAndWatch(
    deps,
    {
      ...{ cluster: "east", kind: VAULT_STATIC_SECRET, options: { metadataOnly: false }, handler, from, seconds },
      ...{ onProgress: () => undefined, onCaughtUp: () => done.push("caught up") },
      ...{ onBehind: () => done.push("behind"), lists },
    },
    controller.signal,
  );
  return { done: done.filter((what, at) => what !== done[at - 1]), progress, logged };
}

describe("a kind of a cluster is followed", () => {
  const first = { items: [object("a", "1")], resourceVersion: "7", continue: "two" };
  const second = { items: [object("b", "2")], resourceVersion: "9" };

  it("lease-table 21: by a list, page by page, then by a watch from the revision of the first page", async () => {
    const events: WatchEvent[] = [
      { type: "ADDED", object: object("c", "10") } as WatchEvent,
      { type: "DELETED", object: object("a", "11") } as WatchEvent,
      { type: "BOOKMARK", resourceVersion: "15" } as WatchEvent,
    ];
    const { done, progress } = await scene({ pages: [first, second], watches: [events] });
    assert.deepEqual(done, [
      ...["list from the start", "page of a", "list two", "page of b", "end of the list", "caught up"],
      ...["watch from 7", "changed c", "deleted a", "caught up"],
    ]);
    assert.deepEqual(progress, { cursor: cursor("15") });
  });

  it("by a watch alone from where the last one ended, unless that is too long ago", async () => {
    const young = await scene({ from: { cursor: cursor("5", NOW - CURSOR_MAX_AGE_MS) } });
    assert.deepEqual(young.done, ["caught up", "watch from 5", "caught up"]);
    const old = await scene({ from: { cursor: cursor("5", NOW - CURSOR_MAX_AGE_MS - 1) }, pages: [second] });
    assert.equal(old.done[0], "list from the start");
    assert.deepEqual(old.progress, { cursor: cursor("9") });
  });

  it("by a list when the cluster has forgotten where the last one ended", async () => {
    const expired = [{ type: "EXPIRED" } as WatchEvent];
    const { done, progress } = await scene({ from: { cursor: cursor("5") }, watches: [expired], pages: [second] });
    assert.deepEqual(done.slice(1, 4), ["watch from 5", "behind", "list from the start"]);
    assert.deepEqual(progress, { cursor: cursor("9") });
  });

  it("by a list alone where there is no time to watch", async () => {
    const { done } = await scene({ pages: [second], seconds: 0 });
    assert.ok(!done.some((what) => what.startsWith("watch")));
  });

  it("lease-table 18: not at all where it is not served, which leaves no cursor", async () => {
    const { done, progress } = await scene({ pages: [undefined] });
    assert.deepEqual(done.slice(0, 2), ["list from the start", "not served"]);
    assert.deepEqual(progress, {});
  });

  it("up to the event that fails, which comes again; one that we stumble over is told by its name and left aside", async () => {
    const events = ["c", "d"].map((name, at) => ({ type: "MODIFIED", object: object(name, `1${at}`) }) as WatchEvent);
    const from = { cursor: cursor("5"), error: new SyncError("KUBE_REJECTED", "of the last pass") };
    const error = new SyncError("STORE_UNAVAILABLE", "away");
    const failed = await scene({ from, watches: [events], fails: { at: "d", error } });
    assert.deepEqual(failed.progress, { cursor: cursor("10"), error });
    const bug = await scene({ from, watches: [events], fails: { at: "d", error: new TypeError("a bug") } });
    assert.deepEqual(bug.progress, { cursor: cursor("11") });
    assert.match(bug.logged.join(), /"cluster":"east".*"name":"d"/);
  });

  it("one list after the other where they may not run at once, so that the first one ends in time", async () => {
    const lists = slots({ atOnce: 1, ofPlace: 1, inAll: 1 });
    const done: string[] = [];
    await Promise.all([0, 1].map(() => scene({ pages: [first, second], seconds: 0, lists, done })));
    const read = done.filter((what) => what.startsWith("list"));
    assert.deepEqual(read, ["list from the start", "list two", "list from the start", "list two"]);
  });

  it("no further, and is called late, only when its own time ran out", async () => {
    const failing = (error: Error, isOver: boolean) =>
      scene({
        listFails(abort) {
          if (isOver) abort();
          throw error;
        },
      });
    const error = new SyncError("DEADLINE_EXCEEDED", "credentials did not come in time");
    const early = await failing(error, false);
    assert.equal(early.progress.error, error);
    const late = await failing(error, true);
    assert.match(late.progress.error?.message ?? "", /ran out of time to list/);
    assert.equal(late.progress.error?.cause, error);
    await assert.rejects(failing(new TypeError("a bug"), true), TypeError);
  });

  it("no further when time runs out while others hold the memory for its pages", async () => {
    const { progress } = await scene({ pages: [second], aborts: true });
    assert.equal(progress.error?.code, "DEADLINE_EXCEEDED");
  });
});
