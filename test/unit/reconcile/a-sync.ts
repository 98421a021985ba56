import assert from "node:assert/strict";
import { systemDeadline } from "../../../lib/clock.ts";
import type { Destination, DestinationFactory, Learned } from "../../../lib/destinations/destination.ts";
import { digestKey } from "../../../lib/digest.ts";
import type { SyncError } from "../../../lib/errors.ts";
import type { ReferenceKey, SyncKey } from "../../../lib/keys.ts";
import type { Obtained, ObtainInput, Resolved, SyncKind } from "../../../lib/kinds/kind.ts";
import type { Did } from "../../../lib/ports/domain-events.ts";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import type { KeysMessage, WorkMessage } from "../../../lib/ports/queue.ts";
import type { ResourceEvent, SeenResource } from "../../../lib/ports/resources.ts";
import type { Declared, Lane, OwnedSecret, Row, RowState } from "../../../lib/ports/rows.ts";
import type { Schedule, Settlement } from "../../../lib/ports/store.ts";
import type { FinishedRun } from "../../../lib/ports/telemetry.ts";
import type { SeenTarget } from "../../../lib/ports/workloads.ts";
import type { CoreDeps } from "../../../lib/reconcile/deps.ts";
import { reconciler } from "../../../lib/reconcile/reconcile.ts";
import { VAULT_STATIC_SECRET } from "../../../lib/resource-kinds.ts";
import { SecretValue } from "../../../lib/secret-value.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import type { JsonObject } from "../../../lib/util/json.ts";
import { aCluster, aDeclared, aKey } from "../../builders.ts";
import { IDENTITY } from "../issues/an-issuing-vault.ts";

export const START = Date.UTC(2030, 0, 1);
export const CIRCUIT = "vault:https://vault.example";
export const PLACE = { vault: "main", path: "kv/db", role: "read" } as const;
export const DIGEST_KEY = digestKey(Buffer.alloc(32, 1));

export const dataOf = (text: string) => new Map([["password", SecretValue.of(text)]]);

/** A declaration that reads from a Vault each minute into Secret `db`. */
export const aResolved = (changed: Partial<Resolved> = {}): Resolved => ({
  asks: { identity: IDENTITY, id: "asked", circuit: CIRCUIT, place: PLACE },
  destination: { name: "db" },
  ...{ refreshAfterMs: 60_000, hmac: false, rolloutTargets: [] },
  ...changed,
});

export type Data = Extract<Obtained, { readonly kind: "data" }>;

export const aData = (changed: Partial<Data> = {}): Data => ({
  ...{ kind: "data", data: dataOf("one"), next: { everyMs: 60_000 }, warnings: [] },
  ...changed,
});

/** What a test decides of the world around one sync. Each may change between runs. */
export interface Around {
  readonly refs: readonly ReferenceKey[];
  readonly resolved: Resolved | SyncError;
  readonly obtain: (run: ObtainInput) => Promise<Obtained> | Obtained;
  /** Whether its destination is another than wanted. */
  readonly differs: boolean;
  readonly learned: Partial<Learned>;
  readonly clears: (() => void) | undefined;
  /** What the cluster has of the declaration; undefined: it is gone. */
  readonly resource: Partial<SeenResource> | undefined;
  readonly writeStatus: () => void;
  readonly failedStatus: JsonObject | undefined;
  readonly targets: Readonly<Record<string, SeenTarget>>;
  readonly settings: ClusterSettings | undefined;
  readonly more: Partial<SyncKind>;
  readonly deps: object;
}

/** The real core on a table in memory, around a sync of a kind that does what the test says. */
export async function aSync(given: Partial<Around> & { readonly declared?: Partial<Declared> } = {}) {
  const store = simulatedSqliteStore(undefined);
  const declared = aDeclared({ key: aKey(), ...given.declared });
  const { key } = declared;
  const around: Around = {
    ...{ refs: [], resolved: aResolved(), obtain: () => aData(), differs: true, learned: {}, clears: undefined },
    ...{ resource: {}, writeStatus: () => undefined, failedStatus: undefined, targets: {}, settings: aCluster() },
    ...{ more: {}, deps: {} },
    ...given,
  };
  let scene = around;
  let now = START;
  const seen = {
    statuses: [] as JsonObject[],
    events: [] as ResourceEvent[],
    sent: [] as WorkMessage[],
    counts: [] as string[],
    observed: [] as string[],
    ran: [] as FinishedRun[],
    log: [] as string[],
    did: [] as (Did | undefined)[],
    settled: [] as Settlement[],
    restarts: [] as string[],
    acts: 0,
    obtains: [] as ObtainInput[],
    released: 0,
  };
  const kind: SyncKind = {
    ref: VAULT_STATIC_SECRET,
    destination: destinationOf(
      () => scene,
      () => seen.acts++,
    ),
    resolve({ reference }) {
      for (const ref of scene.refs) reference(ref);
      return { refs: [...scene.refs], outcome: scene.resolved };
    },
    foresee: async () => "would-issue",
    async obtain(run) {
      seen.obtains.push(run);
      return scene.obtain(run);
    },
    failedStatus: () => scene.failedStatus ?? {},
    ...around.more,
  };
  const line = (event: string, facts: object = {}) => void seen.log.push(`${event} ${JSON.stringify(facts)}`);
  const settle: typeof store.settle = (lease, settlement) => {
    seen.did.push(settlement.did);
    seen.settled.push(settlement);
    return store.settle(lease, settlement);
  };
  const resource = (): SeenResource | undefined =>
    scene.resource && {
      ...{ ...declared, resourceVersion: "100", deleting: false, finalizers: [], status: {} },
      ...{ ownerReferences: [], namespace: "shop", name: "db" },
      ...scene.resource,
    };
  const deps = {
    ...{ kinds: { of: () => kind }, clock: () => now, random: () => 0.5, digestKey: DIGEST_KEY },
    leases: { ...store, settle },
    log: { debug: line, info: line, warn: line, error: line },
    metrics: {
      count: (name: string, labels: object) => void seen.counts.push([name, ...Object.values(labels)].join(" ")),
      observe: (name: string, labels: object, value: number) =>
        void seen.observed.push([name, ...Object.values(labels), value].join(" ")),
      ran: (run: FinishedRun) => void seen.ran.push(run),
    },
    queue: { send: async (messages: readonly WorkMessage[]) => void seen.sent.push(...messages) },
    vault: { isKnown: () => true, giveUp: () => undefined },
    secrets: { hmacKey: async () => Buffer.alloc(16, 3) },
    sleep: async () => undefined,
    withDeadline: systemDeadline,
    resources: {
      get: async () => resource(),
      async writeStatus(_ref: unknown, status: JsonObject) {
        scene.writeStatus();
        seen.statuses.push(status);
        return "101";
      },
      emit: async (_ref: unknown, _uid: string, event: ResourceEvent) => void seen.events.push(event),
      removeFinalizers: async () => void seen.released++,
    },
    rollouts: {
      get: async ({ name }: { name: string }) => scene.targets[name],
      async restart({ name }: { name: string }) {
        seen.restarts.push(name);
        return true;
      },
    },
    fleet: () => scene.settings,
    ...around.deps,
  } as unknown as CoreDeps;
  const { handle, circuits } = reconciler(deps);
  await store.declare(declared, START);
  const row = async (of: SyncKey = key): Promise<Row> =>
    (await store.read([of], "strong")).get(of) ?? assert.fail(`no row ${of}`);
  return {
    ...{ store, seen, key, row, deps, circuits, declared },
    now: () => now,
    pass(ms: number) {
      now += ms;
    },
    change(next: Partial<Around>) {
      scene = { ...scene, ...next };
    },
    exists: async (of: SyncKey) => (await store.read([of], "strong")).has(of),
    /** Lets a former run have ended like this, without a look at the rest of the world. */
    async settled(state: Partial<RowState> = {}, schedule: Schedule = { kind: "parked" }) {
      const before = await row();
      const { lease } = (await store.claim(before, { now, until: now + 1 })) ?? assert.fail("it is claimed");
      await store.settle(lease, { state: { ...before.state, ...state }, schedule, now });
    },
    async run({ lane = "now", at = now, of = key }: { lane?: Lane; at?: number; of?: SyncKey } = {}) {
      const message: KeysMessage = { kind: "keys", keys: [of], lane, at };
      const { failed } = await handle(message, new AbortController().signal);
      for (const { error } of failed) throw error;
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

interface State {
  readonly isDone: boolean;
  readonly owned: readonly OwnedSecret[];
}

function destinationOf(around: () => Around, acted: () => void): DestinationFactory<Resolved> {
  const of = (isDone: () => boolean, row: Row, act: () => void, learned: Partial<Learned> = {}): Destination => ({
    start: { isDone: isDone(), owned: row.state.owned } satisfies State,
    name: "Secret shop/db",
    decide: (state) => ((state as State).isDone ? undefined : { do: "write" }),
    async act(_decision, state, claim) {
      await claim.takeToWrite();
      act();
      return { ...(state as State), isDone: true };
    },
    learned: (state) => ({ owned: (state as State).owned, ...learned }),
    describe: () => undefined,
  });
  return {
    ownedWith: ({ destination: { name } }, owned) =>
      owned.some((one) => one.name === name) ? owned : [...owned, { name }],
    holding: () => ({}) as never,
    toWrite: (_apis, { row }) => of(() => !around().differs, row, acted, around().learned),
    toClear: (_apis, { row }) =>
      of(
        () => row.state.owned.length === 0,
        row,
        () => around().clears?.(),
      ),
  };
}
