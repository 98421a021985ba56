import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { COUNTED } from "../../../infra/cost/counted.ts";
import { MINUTE_MS, SECOND_MS } from "../../../lib/clock.ts";
import { REFERENCE_KINDS, SYNC_KINDS } from "../../../lib/discovery/deps.ts";
import type { KeysMessage } from "../../../lib/ports/queue.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import type { ClusterState, LeaseStore } from "../../../lib/ports/store.ts";
import { tick } from "../../../lib/schedule/tick.ts";
import { dynamoLeaseStore } from "../../../lib/store/dynamodb/dynamodb-store.ts";
import { aDeclared, aKey } from "../../builders.ts";
import { type Dynalite, TEST_CREDENTIALS } from "../../harness/dynalite.ts";
import { LEASE_MS, START } from "../lease-store/scene.ts";
import { meter, type Units } from "./meter.ts";

const QUIET = { debug() {}, info() {}, warn() {}, error() {} };
const UNCOUNTED = { count() {}, observe() {} };
/** The function's own: see functions/tick.ts. */
const HORIZON_MS = 2 * MINUTE_MS;

interface Metered extends Disposable {
  readonly store: LeaseStore;
  spent(): Units;
}

async function metered(dynalite: Dynalite): Promise<Metered> {
  const { endpoint } = dynalite;
  const client = new DynamoDBClient({ region: "us-east-1", endpoint, credentials: TEST_CREDENTIALS });
  const { spent } = meter(client);
  const store = dynamoLeaseStore({ client, table: await dynalite.createTable() });
  return { store, spent, [Symbol.dispose]: () => client.destroy() };
}

const writesOf = ({ table, due, wheel, renew, place, unsent, cluster }: Units): number =>
  table + due + wheel + renew + place + unsent + cluster;

/** A row on the wheel, so that its period is in use. */
async function onWheel(store: LeaseStore, period: number): Promise<void> {
  const declared = aDeclared({ key: aKey(`every-${period}`) });
  await store.declare(declared, START);
  const row = (await store.read([declared.key], "strong")).get(declared.key) ?? assert.fail();
  const claimed = (await store.claim(row, { now: START, until: START + LEASE_MS })) ?? assert.fail();
  const schedule = { kind: "wheel", slot: { period, phase: 0 } } as const;
  await store.settle(claimed.lease, { state: EMPTY_STATE, schedule, now: START });
}

/** A cluster's row after some watch passes. */
function aState(movedAt: number): ClusterState {
  const kinds = [...SYNC_KINDS, ...REFERENCE_KINDS].map(({ kind }) => kind);
  const cursors = ["Secret", "drift", ...kinds].map(
    (kind) => [kind, { resourceVersion: "184467440", movedAt }] as const,
  );
  return {
    uid: "7c1f3a52-6d1e-4a9b-9f0c-2b8f5d1e7a64",
    filter: "0123456789abcdef0123456789abcdef",
    cursors: Object.fromEntries(cursors),
    attempts: 0,
  };
}

/** What goes on whether anything changes or not: docs/cost.md calculates with these figures. */
export function dynamoRefreshSlotsContract(open: () => Dynalite): void {
  describe("what ticks and watch passes cost", () => {
    const aTick = async (periods: readonly number[]) => {
      using it = await metered(open());
      for (const period of periods) await onWheel(it.store, period);
      let now = START;
      const sent: KeysMessage[] = [];
      const deps = {
        leases: it.store,
        queue: { send: async (messages: readonly KeysMessage[]) => void sent.push(...messages) },
        clock: () => now,
        horizonMs: HORIZON_MS,
        backlog: () => ({}),
        log: QUIET,
        metrics: UNCOUNTED,
      };
      await tick(deps, AbortSignal.timeout(60_000));
      now += MINUTE_MS;
      it.spent();
      await tick(deps, AbortSignal.timeout(60_000));
      // What functions/tick.ts asks for beside it.
      await Promise.all([it.store.clusters(), it.store.circuits()]);
      const spent = it.spent();
      return { reads: spent.reads, writes: writesOf(spent) };
    };

    it("lease-table 17: a tick each minute, with nothing due", async () => {
      assert.deepEqual(await aTick([]), { reads: COUNTED.tick.reads, writes: COUNTED.tick.writes });
    });

    it("lease-table 17: each period in use adds its queries to a tick", async () => {
      const [one, two] = [await aTick([3_661]), await aTick([3_661, 7_211])];
      assert.equal(one.reads, COUNTED.tick.reads + COUNTED.tick.readsPerPeriod);
      assert.equal(two.reads, COUNTED.tick.reads + 2 * COUNTED.tick.readsPerPeriod);
      assert.deepEqual([one.writes, two.writes], [COUNTED.tick.writes, COUNTED.tick.writes]);
    });

    it("lease-table 17: a watch pass over a cluster: claimed, saved while it lasts, saved at its end", async () => {
      using it = await metered(open());
      const times = { now: START, until: START + MINUTE_MS };
      const first = (await it.store.claimCluster("prod-eu-west-1", times)) ?? assert.fail();
      await it.store.saveCluster(first, aState(START), { dueAt: START + MINUTE_MS });
      it.spent();
      const fence = (await it.store.cluster("prod-eu-west-1"))?.fence;
      assert.notEqual(fence, undefined);
      const later = { now: START + 2 * MINUTE_MS, until: START + 3 * MINUTE_MS };
      const row = (await it.store.claimCluster("prod-eu-west-1", later)) ?? assert.fail();
      await it.store.saveCluster(row, aState(later.now), { until: later.until });
      await it.store.saveCluster(row, aState(later.now + SECOND_MS), { dueAt: later.until });
      const spent = it.spent();
      assert.deepEqual({ reads: spent.reads, writes: writesOf(spent) }, COUNTED.pass);
    });

    it("lease-table 17: a message of refreshes: its rows, the circuits, and each reference once", async () => {
      using it = await metered(open());
      await onWheel(it.store, 3_661);
      it.spent();
      await Promise.all([it.store.read([aKey("every-3661")], "eventual"), it.store.circuits()]);
      assert.equal(it.spent().reads, COUNTED.refresh.readsPerRow + COUNTED.refresh.readsPerMessage);
    });
  });
}
