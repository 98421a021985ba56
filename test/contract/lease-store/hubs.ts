import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { HubMember, HubState } from "../../../lib/ports/store.ts";
import { aScene, LEASE_MS, type OpenStore, oneOf, START } from "./scene.ts";

function member(name: string, more: Partial<HubMember> = {}): HubMember {
  return {
    object: `argocd/${name}`,
    resourceVersion: "7",
    name,
    labels: { env: "prod", ville: "Zürich 🏔" },
    settings: { observe: "apply" },
    server: `https://${name}.example.com`,
    leadsTo: "f",
    since: START,
    ...more,
  };
}

function stateOf(members: readonly HubMember[]): HubState {
  return { members, readAs: "r" };
}

export function hubsContract(open: OpenStore): void {
  describe("hubs", () => {
    it("a pass claims the hub's row, and stores its state only under that fence", async () => {
      await using scene = await aScene(open);
      const { store } = scene;
      assert.deepEqual([await store.hubs(), await store.hubState("hub")], [[], undefined]);
      const claim = () => store.claimHub("hub", { now: scene.clock(), until: scene.clock() + LEASE_MS });
      const first = oneOf(await Promise.all([claim(), claim()]));
      assert.deepEqual(first, { name: "hub", fence: START, leaseUntil: START + LEASE_MS, dueAt: START + LEASE_MS });
      assert.equal(await store.hubState("hub"), undefined);

      const state = stateOf([member("east", { uid: "u", error: { code: "UNSUPPORTED", message: "m", since: START } })]);
      assert.equal(await store.saveHub(first, state, START + 30_000), true);
      const saved = { name: "hub", fence: START, dueAt: START + 30_000, revision: START };
      assert.deepEqual(await store.hubs(), [saved]);
      assert.deepEqual(await store.hubState("hub"), { revision: START, state });

      const next = await claim();
      assert.equal(next?.fence, START + 1);
      assert.equal(await store.saveHub(first, stateOf([]), START), false);
      assert.deepEqual(await store.hubState("hub"), { revision: START, state });
      const unread = { ...saved, fence: START + 1, leaseUntil: START + LEASE_MS, dueAt: START + LEASE_MS };
      assert.deepEqual(await store.hubs(), [unread]);
      assert.equal(await store.saveHub(next, undefined, START + 61_000), true);
      assert.deepEqual(await store.hubs(), [{ ...saved, fence: START + 1, dueAt: START + 61_000 }]);
      assert.deepEqual(await store.hubState("hub"), { revision: START, state });

      const other = await store.claimHub("a-hub", { now: START, until: START + LEASE_MS });
      await store.saveHub(other ?? assert.fail(), stateOf([]), START);
      assert.deepEqual(await store.hubState("hub"), { revision: START, state });
      assert.deepEqual(await store.hubState("a-hub"), { revision: START, state: stateOf([]) });
      await store.removeHub({ name: "a-hub", fence: START });
      await store.removeHub({ name: "nobody", fence: START });
      // A pass has begun since that fence was read.
      await store.removeHub({ name: "hub", fence: START });
      assert.deepEqual(await store.hubState("hub"), { revision: START, state });

      await store.removeHub({ name: "hub", fence: START + 1 });
      assert.deepEqual([await store.hubs(), await store.hubState("hub")], [[], undefined]);
    });

    it("holds thousands of clusters, and each reader sees one state as a whole", async () => {
      await using scene = await aScene(open);
      const { store } = scene;
      const of = (count: number, label: string) =>
        stateOf(
          Array.from({ length: count }, (_, at) => member(`c-${at}`, { labels: { label, pad: "é".repeat(60) } })),
        );
      const claimed = async () => {
        const row = await store.claimHub("hub", { now: scene.clock(), until: scene.clock() + LEASE_MS });
        assert.ok(row);
        return row;
      };
      await store.saveHub(await claimed(), of(2_000, "first"), START);
      const first = await store.hubState("hub");
      assert.deepEqual(first?.state, of(2_000, "first"));
      const row = await claimed();
      const reads: Promise<Awaited<ReturnType<typeof store.hubState>>>[] = [];
      const saving = store.saveHub(row, of(1_000, "second"), START);
      for (let read = 0; read < 8; read++) reads.push(store.hubState("hub"));
      assert.equal(await saving, true);
      for (const read of await Promise.all(reads)) {
        const { length } = read?.state.members ?? [];
        assert.ok(length === 2_000 || length === 1_000, String(length));
      }
      assert.deepEqual((await store.hubState("hub"))?.state, of(1_000, "second"));
    });
  });
}
