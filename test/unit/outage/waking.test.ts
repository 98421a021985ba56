import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MINUTE_MS, SECOND_MS } from "../../../lib/clock.ts";
import { cleanupKey, clusterNamespaceOf, syncKey } from "../../../lib/keys.ts";
import { circuits } from "../../../lib/outage/circuit.ts";
import type { ReconcileDeps } from "../../../lib/ports/deps.ts";
import type { WorkMessage } from "../../../lib/ports/queue.ts";
import type { Due } from "../../../lib/ports/store.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aKey } from "../../builders.ts";
import { counting, QUIET } from "../aws/records.ts";

const NOW = Date.UTC(2030, 0, 1);
const CACHED_MS = 5 * SECOND_MS;
/** Messages are accepted before the circuit closes, and must not arrive before that. */
const CLOSED_WITHIN_MS = SECOND_MS;
const ID = "strange: nothing is asked, and it closes";

/** When each of these waiting syncs is asked to run, once the outage is over. */
async function woken(
  waiting: readonly Due[],
  { id = ID, slots = [] }: { readonly id?: string; readonly slots?: readonly Due[] } = {},
): Promise<readonly Pick<Due, "key" | "lane" | "at">[]> {
  await using store = openSqliteStore({ path: ":memory:" });
  const times = { since: NOW - MINUTE_MS, probeAt: NOW };
  await store.openCircuit({ id, code: "VAULT_UNAVAILABLE", message: "m", attempts: 1, fence: 1, ...times });
  const sent: WorkMessage[] = [];
  const deps = {
    leases: { ...store, due: async () => waiting, periods: async () => [4], onWheel: async () => slots },
    ...{ clock: () => NOW, random: () => 0 },
    vault: { probe: async () => "answered" },
    ...{ metrics: counting(), log: QUIET, installation: "i", fleet: () => undefined },
    queue: { send: async (messages: readonly WorkMessage[]) => void sent.push(...messages) },
  } as unknown as ReconcileDeps;
  const ca = { resolve: () => assert.fail(), refused: () => undefined };
  await circuits(deps, ca).probeDue(new AbortController().signal);
  assert.deepEqual(await store.circuits(), []);
  return sent.flatMap((message) =>
    message.kind === "keys" ? message.keys.map((key) => ({ key, lane: message.lane, at: message.at })) : [],
  );
}

function due(count: number, lane: Due["lane"], group = (n: number) => `g${n}`): readonly Due[] {
  return Array.from({ length: count }, (_, n) => ({ key: aKey(`s${n}`), group: group(n), lane, at: NOW - 1 }));
}

describe("lease-table 16: the end of an outage wakes what waits", () => {
  it("over 10 ms for each of them, and once more when no process remembers the outage", async () => {
    const asked = await woken(due(2_000, "now"));
    const times = [...Map.groupBy(asked, ({ key }) => key).values()].map((some) =>
      some.map(({ at }) => at - NOW).sort((a, b) => a - b),
    );
    assert.equal(times.length, 2_000);
    assert.ok(times.every(({ length }) => length === 2));
    const [first, second] = [0, 1].map((which) => times.map((of) => of[which] ?? 0));
    assert.ok(first && second);
    assert.ok(Math.min(...first) <= SECOND_MS, "begins at once");
    assert.equal(Math.max(...first), 20 * SECOND_MS);
    assert.ok(Math.min(...second) >= CACHED_MS);
    assert.equal(Math.max(...second), 20 * SECOND_MS + CACHED_MS + CLOSED_WITHIN_MS);
    const early = first.filter((at) => at <= 10 * SECOND_MS).length;
    assert.ok(early > 900 && early < 1_100, `${early} in the first half`);
  });

  it("within five minutes, however many there are", async () => {
    const asked = await woken(due(32_000, "refresh"));
    const last = Math.max(...asked.map(({ at }) => at - NOW));
    assert.ok(last > 5 * MINUTE_MS && last <= 5 * MINUTE_MS + CACHED_MS + SECOND_MS, String(last));
  });

  it("those that share a read at one time, and refreshes only when no process remembers the outage", async () => {
    const asked = await woken(due(20, "refresh", (n) => (n < 10 ? "one" : "other")));
    assert.equal(asked.length, 20);
    assert.ok(asked.every(({ at }) => at >= NOW + CACHED_MS));
    assert.ok(new Set(asked.map(({ at }) => at)).size <= 2);
  });

  describe("of those that may wait for it", () => {
    const keysOf = (...places: readonly string[]) =>
      places.map((place, n): Due => {
        const [cluster = "", namespace = ""] = place.split("/");
        const key = syncKey({ cluster, kind: "VaultStaticSecret", namespace, name: `s${n}` });
        return { key: n === 0 ? cleanupKey(key, "uid") : key, group: "g", lane: "now", at: NOW - 1 };
      });
    const all = keysOf("east/shop", "east/pay", "east/shop", "west/shop", "eastern/shop", "east-shop/shop");
    const CASES: readonly (readonly [id: string, places: readonly string[]])[] = [
      ["cluster:east", ["east/pay", "east/shop"]],
      ["vso:east", ["east/pay", "east/shop"]],
      ["vso:east/shop", ["east/shop"]],
      ["vault:https://east/shop", ["east-shop/shop", "east/pay", "east/shop", "eastern/shop", "west/shop"]],
    ];
    for (const [id, places] of CASES)
      it(`${id}: those of ${places.join(", ")}, in the due index and on the wheel`, async () => {
        for (const from of ["due", "wheel"]) {
          const slots = all.map((due) => ({ ...due, lane: "refresh" as const, phase: 0 }));
          const asked = await (from === "due" ? woken(all, { id }) : woken([], { id, slots }));
          const found = all.filter(({ key }) => places.includes(clusterNamespaceOf(key))).map(({ key }) => key);
          assert.deepEqual([...new Set(asked.map(({ key }) => key))].sort(), found.sort(), from);
        }
      });
  });
});
