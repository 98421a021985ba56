import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS, MINUTE_MS, systemDeadline as withDeadline } from "../../../lib/clock.ts";
import { domainEvents } from "../../../lib/domain-events/domain-events.ts";
import type { SyncKey } from "../../../lib/keys.ts";
import type { DomainEvent, RowState } from "../../../lib/ports/rows.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import type { Circuit, LeaseStore, Settlement, Unsent } from "../../../lib/ports/store.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aKey } from "../../builders.ts";
import { eventsIn, memorySink } from "../../core/world/sink.ts";
import { counting, QUIET } from "../aws/records.ts";

const NOW = Date.UTC(2030, 0, 2);
const DAY_MS = 24 * HOUR_MS;
const SOON = () => AbortSignal.timeout(10_000);

const event = (id: string, at = NOW - 5 * MINUTE_MS): DomainEvent => ({ id, kind: "SecretSynced", at, detail: {} });
const outage = (since: number, id = "cluster:east"): Circuit => ({
  ...{ id, code: "KUBE_UNREACHABLE", message: "", since },
  ...{ attempts: 1, fence: 1, probeAt: NOW },
});

interface Given {
  readonly rows?: Readonly<Record<string, readonly DomainEvent[]>>;
  readonly ofCircuits?: readonly DomainEvent[];
  readonly isAlone?: boolean;
}

/** Rows with events, as both stores keep them. */
function opened({ rows = {}, ofCircuits = [], isAlone = false }: Given = {}) {
  let left = ofCircuits;
  const unsent = new Map<SyncKey, readonly DomainEvent[]>(
    Object.entries(rows).map(([name, events]) => [aKey(name), events]),
  );
  const settled: Settlement[] = [];
  let reads = 0;
  const store = {
    async unsent(before: number, limit: number): Promise<readonly Unsent[]> {
      reads++;
      const found = [...unsent].filter(([, events]) => events.some(({ at }) => at < before));
      return found.slice(0, limit).map(([key, events]) => ({ key, events }));
    },
    async clearUnsent(key: SyncKey, ids: readonly string[]) {
      const left = (unsent.get(key) ?? []).filter(({ id }) => !ids.includes(id));
      if (left.length === 0) unsent.delete(key);
      else unsent.set(key, left);
    },
    circuitEvents: async (limit: number) => left.slice(0, limit),
    async clearCircuitEvents(sent: readonly DomainEvent[]) {
      left = left.filter((one) => !sent.includes(one));
    },
    settle: async (_lease: unknown, settlement: Settlement) => {
      settled.push(settlement);
      return "settled" as const;
    },
  } as unknown as LeaseStore;
  const sink = memorySink();
  const metrics = counting();
  const of = () => domainEvents({ sink, leases: store, clock: () => NOW, withDeadline, log: QUIET, metrics, isAlone });
  const ofRows = () => [...unsent.values()].flat().map(({ id }) => id);
  const others = { ofCircuits: () => left, settled, reads: () => reads };
  return { events: of(), store, sink, metrics, left: ofRows, ...others };
}

describe("the sweep of domain events", () => {
  it("sends what rows still have, clears it, and reads on until there is no more", async () => {
    const rows = Object.fromEntries(Array.from({ length: 250 }, (_, n) => [`n${n}`, [event(`e${n}`)]]));
    const { events, sink, left, reads } = opened({ rows });
    await events.sweep(SOON());
    assert.deepEqual([sink.events.length, left(), reads()], [250, [], 3]);
  });

  it("ends after fifty pages: the next one sends the rest", async () => {
    const many = Array.from({ length: 5_100 }, (_, n) => event(`e${n}`));
    const rows = Object.fromEntries(many.map((one) => [one.id, [one]]));
    const { events, sink, left, ofCircuits, reads } = opened({ rows, ofCircuits: many });
    await events.sweep(SOON());
    assert.deepEqual([reads(), left().length, ofCircuits().length, sink.events.length], [50, 100, 100, 10_000]);
    await events.sweep(SOON());
    assert.deepEqual([left(), ofCircuits()], [[], []]);
  });

  it("leaves what is younger than a minute to the process that recorded it, unless there is no other", async () => {
    const rows = { young: [event("young", NOW - MINUTE_MS)], old: [event("old", NOW - MINUTE_MS - 1)] };
    for (const [isAlone, expected] of [
      [false, ["young"]],
      [true, []],
    ] as const) {
      const { events, left } = opened({ rows: { ...rows, now: [event("now", NOW)] }, isAlone });
      await events.sweep(SOON());
      assert.deepEqual(left(), isAlone ? [] : [...expected, "now"]);
    }
  });

  it("drops what nothing accepted for more than a day, and counts it", async () => {
    const rows = { db: [event("over", NOW - DAY_MS - 1), event("last", NOW - DAY_MS)] };
    const { events, sink, left, metrics } = opened({ rows });
    await events.sweep(SOON());
    assert.deepEqual([sink.events.map(({ id }) => id), left()], [["last"], []]);
    assert.deepEqual(metrics.counts, { keyferry_domain_events_dropped_total: 1, keyferry_domain_events_sent_total: 1 });
  });

  it("drops also when that is all", async () => {
    const { events, left } = opened({ rows: { db: [event("over", NOW - DAY_MS - 1)] } });
    await events.sweep(SOON());
    assert.deepEqual(left(), []);
  });

  it("ends when the sink refuses some, since it would refuse them again", async () => {
    const rows = Object.fromEntries(Array.from({ length: 250 }, (_, n) => [`n${n}`, [event(`e${n}`)]]));
    const { events, sink, left, reads } = opened({ rows });
    sink.refuse(({ id }) => id === "e7");
    await events.sweep(SOON());
    assert.deepEqual([reads(), left().length], [1, 151]);
  });

  it("sends nothing twice when rows can't be written: the next sweep does", async () => {
    const rows = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`n${n}`, [event(`e${n}`)]]));
    const { events, store, sink, left } = opened({ rows });
    store.clearUnsent = async () => {
      throw new Error("throttled");
    };
    await events.sweep(SOON());
    assert.deepEqual([sink.events.length, left().length], [100, 100]);
    await events.sweep(SOON());
    assert.equal(sink.events.length, 200);
  });

  it("ends when it is asked to", async () => {
    const { events, reads } = opened({ rows: { db: [event("one")] } });
    await events.sweep(AbortSignal.abort());
    assert.equal(reads(), 0);
  });

  it("sends nothing twice that is on its way, and gives the sink its signal", async () => {
    const { store, metrics } = opened({ rows: { db: [event("one")] } });
    const gate = Promise.withResolvers<void>();
    const calls: { readonly ids: readonly string[]; readonly signal: AbortSignal }[] = [];
    const sink = {
      send: async (sent: readonly DomainEvent[], signal: AbortSignal) => {
        calls.push({ ids: sent.map(({ id }) => id), signal });
        await gate.promise;
        return new Set(sent.map(({ id }) => id));
      },
    };
    const events = domainEvents({ sink, leases: store, clock: () => NOW, withDeadline, log: QUIET, metrics });
    const stop = new AbortController();
    const sweeping = events.sweep(stop.signal);
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    gate.resolve();
    await sweeping;
    assert.deepEqual([calls[0]?.ids, calls[0]?.signal.aborted], [["one"], true]);
  });

  it("tells of a table that it can't read, and ends", async () => {
    const { metrics, sink } = opened();
    const lines: string[] = [];
    const log = { ...QUIET, warn: (name: string) => void lines.push(name) };
    const leases = { unsent: async () => Promise.reject(new Error("no")) } as unknown as LeaseStore;
    await domainEvents({ sink, leases, clock: () => NOW, withDeadline, log, metrics }).sweep(SOON());
    assert.deepEqual(lines, ["domain-events-not-swept"]);
  });

  for (const [at, isAlone, expected] of [
    [NOW - MINUTE_MS, false, "left"],
    [NOW - MINUTE_MS, true, "sent"],
    [NOW - MINUTE_MS - 1, false, "sent"],
    [NOW - 6 * HOUR_MS, false, "sent"],
    [NOW - 6 * HOUR_MS - 1, false, "dropped"],
  ] as const)
    it(`of a circuit's event of ${(NOW - at) / 1_000} s ago${isAlone ? " in a process that is alone" : ""}: ${expected}`, async () => {
      const { events, sink, ofCircuits, metrics } = opened({ ofCircuits: [event("lost", at)], isAlone });
      sink.refuse(() => true);
      await events.sweep(SOON());
      assert.equal(ofCircuits().length, expected === "dropped" ? 0 : 1);
      sink.refuse(() => false);
      await events.sweep(SOON());
      await events.sweep(SOON());
      const dropped = metrics.counts.keyferry_domain_events_dropped_total ?? 0;
      assert.deepEqual(
        { sent: 0, left: 0, dropped: 0, [expected]: 1 },
        { sent: sink.events.length, left: ofCircuits().length, dropped },
      );
    });

  it("reads the events of circuits on until there are no more, and ends when the sink refuses some", async () => {
    const many = Array.from({ length: 250 }, (_, n) => event(`e${n}`));
    const all = opened({ ofCircuits: many });
    await all.events.sweep(SOON());
    assert.deepEqual([all.sink.events.length, all.ofCircuits()], [250, []]);
    const some = opened({ ofCircuits: many });
    some.sink.refuse(({ id }) => id === "e7");
    await some.events.sweep(SOON());
    assert.equal(some.ofCircuits().length, 151);
  });
});

describe("events of circuits that can't be cleared", () => {
  it("are sent once by a sweep, and again by the next one", async () => {
    const { events, sink, store } = opened({ ofCircuits: Array.from({ length: 250 }, (_, n) => event(`e${n}`)) });
    Object.assign(store, { clearCircuitEvents: async () => assert.fail("the table is away") });
    await events.sweep(SOON());
    assert.equal(sink.events.length, 100);
    await events.sweep(SOON());
    assert.equal(sink.events.length, 200);
  });
});

describe("an outage of a cluster", () => {
  for (const isAway of [false, true])
    it(`has its events stored with the circuit, and cleared once they are sent${isAway ? " by a later sweep" : ""}`, async () => {
      await using store = openSqliteStore({ path: ":memory:" });
      const { sink, metrics } = opened();
      let now = NOW;
      const events = domainEvents({ sink, leases: store, clock: () => now, withDeadline, log: QUIET, metrics });
      const seen = events.seeing(store);
      sink.refuse(() => isAway);
      const circuit = outage(NOW);
      assert.deepEqual([await seen.openCircuit(circuit), await seen.openCircuit(circuit)], [true, false]);
      const claimed = (await store.claimProbe(circuit, { now, until: now + 1 })) ?? assert.fail();
      now += 20 * MINUTE_MS;
      const closed = [await seen.closeCircuit(claimed), await seen.closeCircuit(claimed)];
      assert.deepEqual(closed, [true, false]);
      await events.flushed(SOON());
      if (isAway) {
        assert.deepEqual((await store.circuitEvents(10)).length, 2);
        sink.refuse(() => false);
        now += 5 * HOUR_MS;
        await domainEvents({ sink, leases: store, clock: () => now, withDeadline, log: QUIET, metrics }).sweep(SOON());
      }
      assert.deepEqual(eventsIn(sink), ["ClusterUnreachable KUBE_UNREACHABLE", "ClusterReachable"]);
      assert.deepEqual(await store.circuitEvents(10), []);
    });

  it("stores nothing without a sink, nor when it is one of a Vault", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { sink, metrics } = opened();
    const deps = { leases: store, clock: () => NOW, withDeadline, log: QUIET, metrics };
    await domainEvents(deps).seeing(store).openCircuit(outage(NOW));
    await domainEvents({ ...deps, sink })
      .seeing(store)
      .openCircuit(outage(NOW, "vault:https://vault.test"));
    assert.deepEqual(await store.circuitEvents(10), []);
  });
});

describe("a settle with events that are not sent yet", () => {
  const settle = async (
    given: Partial<RowState>,
    schedule: Settlement["schedule"],
    sentBefore: readonly string[] = [],
  ) => {
    const { events, store, settled, sink } = opened({
      rows: { sent: sentBefore.map((id) => event(id)) },
    });
    if (sentBefore.length > 0) await events.sweep(SOON());
    const state: RowState = { ...EMPTY_STATE, ...given };
    const lease = { key: aKey(), uid: "u", fence: 7, until: NOW, nudges: 0, state };
    await events.seeing(store).settle(lease, { state, schedule, now: NOW });
    await events.flushed(SOON());
    return { settled: settled[0] ?? assert.fail(), sent: eventsIn(sink) };
  };
  const GONE = { kind: "gone" } as const;
  const PARKED = { kind: "parked" } as const;

  it("keeps them, unless they were sent or are too old", async () => {
    const unsent = [event("sent"), event("over", NOW - DAY_MS - 1), event("kept")];
    const { settled } = await settle({ unsent }, PARKED, ["sent"]);
    assert.deepEqual(settled.state.unsent, [event("kept")]);
    assert.deepEqual(settled.schedule, PARKED);
  });

  it("lets the row go once they are sent, and not before", async () => {
    const kept = await settle({ unsent: [event("kept")] }, GONE);
    assert.deepEqual(kept.settled.schedule, { kind: "due", at: NOW + 10 * MINUTE_MS });
    assert.equal(kept.settled.renew, "off");
    const sent = await settle({ unsent: [event("sent")] }, GONE, ["sent"]);
    assert.deepEqual([sent.settled.schedule, "unsent" in sent.settled.state], [GONE, false]);
    const without = await settle({}, GONE);
    assert.deepEqual(without.settled.schedule, GONE);
  });

  it("without a sink tells what is new, stores nothing, and leaves what an earlier process stored", async () => {
    const { store, settled, metrics } = opened();
    const told: string[] = [];
    const tell = ({ kind }: DomainEvent) => void told.push(kind);
    const events = domainEvents({ tell, leases: store, clock: () => NOW, withDeadline, log: QUIET, metrics });
    const state: RowState = { ...EMPTY_STATE, unsent: [event("kept")] };
    const lease = { key: aKey(), uid: "u", fence: 7, until: NOW, nudges: 0, state: EMPTY_STATE };
    const did = { secret: { name: "db", isWritten: true } };
    for (const before of [EMPTY_STATE, state]) {
      await events
        .seeing(store)
        .settle({ ...lease, state: before }, { state: before, schedule: PARKED, now: NOW, did });
    }
    await events.sweep(SOON());
    assert.deepEqual(
      [settled.map((one) => one.state), told],
      [
        [EMPTY_STATE, state],
        ["SecretSynced", "SecretSynced"],
      ],
    );
  });

  it("is stored as it is given when nothing happened", async () => {
    const { events, store, settled } = opened();
    const lease = { key: aKey(), uid: "u", fence: 7, until: NOW, nudges: 0, state: EMPTY_STATE };
    const settlement = { state: EMPTY_STATE, schedule: PARKED, now: NOW };
    await events.seeing(store).settle(lease, settlement);
    assert.equal(settled[0], settlement);
  });

  it("tells nothing when it is lost, nor of a circuit that another process opened or closed", async () => {
    const { events, store, sink } = opened();
    const lost = { settle: async () => "lost", openCircuit: async () => false, closeCircuit: async () => false };
    const seen = events.seeing({ ...store, ...lost } as unknown as LeaseStore);
    const lease = { key: aKey(), uid: "u", fence: 7, until: NOW, nudges: 0, state: EMPTY_STATE };
    const did = { secret: { name: "db", isWritten: true } };
    await seen.settle(lease, { state: EMPTY_STATE, schedule: PARKED, now: NOW, did });
    await seen.openCircuit(outage(NOW));
    await seen.closeCircuit(outage(NOW));
    await events.flushed(SOON());
    assert.deepEqual(sink.events, []);
  });

  it("that are new holds a row for half a minute", async () => {
    const { events, store, settled } = opened();
    const issue = { serial: "a", state: "ending", vaultLease: {} } as unknown as NonNullable<
      RowState["issues"]
    >[number];
    const state: RowState = { ...EMPTY_STATE, issues: [issue] };
    const lease = { key: aKey(), uid: "u", fence: 7, until: NOW, nudges: 0, state };
    await events.seeing(store).settle(lease, { state: EMPTY_STATE, schedule: GONE, now: NOW });
    assert.deepEqual(settled[0]?.schedule, { kind: "due", at: NOW + 30_000 });
    assert.deepEqual(
      settled[0]?.state.unsent?.map(({ kind }) => kind),
      ["CredentialRevoked"],
    );
  });
});
