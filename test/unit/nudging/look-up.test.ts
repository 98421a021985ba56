import assert from "node:assert/strict";
import { it } from "node:test";
import { lookUp } from "../../../lib/nudging/look-up.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";

const START = Date.UTC(2030, 0, 1);

it("counters of later look-ups have no address that a tenant chose", async () => {
  await using store = openSqliteStore({ path: ":memory:" });
  const key = aKey();
  await store.declare(aDeclared({ key }), START);
  const row = (await store.read([key], "strong")).get(key) ?? assert.fail();
  const { lease } = (await store.claim(row, { now: START, until: START + 90_000 })) ?? assert.fail();
  await store.settle(lease, { state: row.state, schedule: { kind: "parked" }, now: START });
  const counted: unknown[] = [];
  const deps = {
    ...{ leases: store, queue: { send: async () => undefined }, clock: () => START + 1_000, log: QUIET },
    metrics: { count: (name: string, labels: object) => counted.push([name, labels]), observe: () => undefined },
  };
  const message = { kind: "look-up", look: { kind: "rows", keys: [key] }, at: START } as const;
  await lookUp(deps, { ...message, vault: "https://vault.tenant.example:8200" });
  assert.deepEqual(counted, [["keyferry_event_nudges_total", { vault: "unnamed" }]]);
});

it("a place that became too wide for nudges since the first look-up is swept", async () => {
  await using store = openSqliteStore({ path: ":memory:" });
  const entries = Array.from({ length: 501 }, (_, n) => ({
    ...{ key: aKey(`app-${n}`), vault: "main", path: `kv/${n}`, role: "read" as const },
  }));
  const sent: unknown[] = [];
  const deps = {
    leases: { ...store, byPlace: async () => ({ items: entries }) },
    queue: { send: async (messages: readonly unknown[]) => void sent.push(...messages) },
    ...{ clock: () => START + 60_000, log: QUIET },
    metrics: { count: () => undefined, observe: () => undefined },
  };
  const places = [{ where: "prefix", path: "kv", at: START, found: [] }] as const;
  const message = {
    kind: "look-up",
    vault: "main",
    look: { kind: "places", places, since: START },
    at: START,
  } as const;
  await lookUp(deps, message);
  const look = { kind: "sweep", reason: "event" };
  assert.deepEqual(sent, [{ kind: "look-up", vault: "main", look, at: START + 60_000 }]);
});
