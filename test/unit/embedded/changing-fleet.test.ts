import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { changingFleet } from "../../../lib/embedded/changing-fleet.ts";
import { followers } from "../../../lib/embedded/followers.ts";
import type { LeaseStore } from "../../../lib/ports/store.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aCluster, aDeclared, aKey } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Loops that last until their signal, and what is going on. */
function aFollower() {
  const log: string[] = [];
  const running = new Set<string>();
  const stop = new AbortController();
  const all = followers(async (settings, until) => {
    const name = `${settings.name} ${settings.operatorNamespace}`;
    log.push(`+ ${name}`);
    running.add(name);
    await new Promise<void>((resolve) => until.addEventListener("abort", () => setImmediate(resolve), { once: true }));
    running.delete(name);
    log.push(`- ${name}`);
  }, stop.signal);
  return { all, log, running, stop };
}

const [a, b, c] = ["a", "b", "c"].map((name) => aCluster({ name })) as [
  ReturnType<typeof aCluster>,
  ReturnType<typeof aCluster>,
  ReturnType<typeof aCluster>,
];
const other = (name: string) => aCluster({ name, operatorNamespace: "other" });

describe("the loops of a changing fleet", () => {
  it("begin, end and are replaced as clusters come, go and change; others go on", async () => {
    const { all, log, running, stop } = aFollower();
    assert.deepEqual(await all.set([a, b]), { added: ["a", "b"], changed: [], departed: [] });
    assert.deepEqual(await all.set([{ ...a }, b]), { added: [], changed: [], departed: [] });
    log.length = 0;
    assert.deepEqual(await all.set([a, other("b"), c]), { added: ["c"], changed: ["b"], departed: [] });
    assert.deepEqual(log, ["- b vso", "+ b other", "+ c vso"], "never two of one cluster");
    assert.deepEqual(await all.set([c]), { added: [], changed: [], departed: ["a", "b"] });
    assert.deepEqual([...running], ["c vso"]);
    stop.abort();
    await all.allDone();
    assert.deepEqual([...running], []);
  });
});

describe("a changing fleet", () => {
  async function scene(store: LeaseStore) {
    const deps = { leases: store, clock: () => NOW, log: quiet, queue: { send: async () => undefined } };
    for (const name of ["a", "b", "c"]) {
      await store.claimCluster(name, { now: NOW, until: NOW + 1 });
      await store.declare(aDeclared({ key: aKey("db", name) }), NOW);
    }
    const names = async () => (await store.clusters()).map(({ name }) => name);
    return { fleet: changingFleet([a, b, c], deps), names };
  }

  it("releases what left, and watches what changed anew", async () => {
    await using store = simulatedSqliteStore(undefined);
    const { fleet, names } = await scene(store);
    const { all, log, stop } = aFollower();
    await fleet.followedBy(all);
    assert.deepEqual(await names(), ["a", "b", "c"]);
    log.length = 0;
    await fleet.change([a, other("b")], {});
    assert.deepEqual(await names(), ["a", "b"]);
    assert.deepEqual(await store.byCluster("c"), []);
    assert.ok(log.includes("+ b other"), "its watch pass runs the syncs again");
    assert.deepEqual(
      fleet.clusters().map(({ name }) => name),
      ["a", "b"],
    );
    stop.abort();
  });

  it("takes up what changed before anybody followed it, and goes on where it was interrupted", async () => {
    await using store = simulatedSqliteStore(undefined);
    let isDown = true;
    const broken: LeaseStore = {
      ...store,
      byCluster: async (name) => (isDown ? Promise.reject(new Error("down")) : store.byCluster(name)),
    };
    isDown = false;
    const { fleet, names } = await scene(broken);
    isDown = true;
    await fleet.change([a, other("b")], {});
    assert.deepEqual(await names(), ["a", "b", "c"], "nothing is done before the start");
    const { all, stop } = aFollower();
    await assert.rejects(fleet.followedBy(all), /down/);
    isDown = false;
    await fleet.change([a, other("b")], {});
    assert.deepEqual(await names(), ["a", "b"]);
    stop.abort();
  });
});
