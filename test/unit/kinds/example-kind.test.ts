import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { suspensionOf } from "../../../lib/circuits.ts";
import type { EpochMs } from "../../../lib/clock.ts";
import { kubernetesSecrets, type WantsSecret } from "../../../lib/destinations/kubernetes-secret/kubernetes-secret.ts";
import { digestKey } from "../../../lib/digest.ts";
import { SyncError } from "../../../lib/errors.ts";
import { type SyncKey, syncKey } from "../../../lib/keys.ts";
import type { ForeseeInput, Resolved, SyncKind } from "../../../lib/kinds/kind.ts";
import { kindRegistry } from "../../../lib/kinds/registry.ts";
import { planner } from "../../../lib/plan/plan.ts";
import type { ResourceEvent, SeenResource } from "../../../lib/ports/resources.ts";
import type { DesiredSecret, SeenSecret, WrittenSecret } from "../../../lib/ports/secrets.ts";
import type { CoreDeps } from "../../../lib/reconcile/deps.ts";
import { reconciler } from "../../../lib/reconcile/reconcile.ts";
import { SecretValue } from "../../../lib/secret-value.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import type { Json, JsonObject } from "../../../lib/util/json.ts";
import { aCluster, aDeclared } from "../../builders.ts";
import { counting, QUIET } from "../aws/records.ts";

/**
 * A kind that keyferry does not have: a number is drawn, and drawn anew when it is used up. It stands for everything that is issued:
 * the request can't be repeated, so it is recorded before it is made, and a plan makes none.
 */
type Drawn = Resolved & WantsSecret;

/** Where numbers are drawn: what was asked of it, in order. */
interface Lottery {
  readonly asked: string[];
  /** The row as it stood in the store while the request was under way. */
  recorded: Json | undefined;
}

function lotteryKind(lottery: Lottery, recordedNow: (key: SyncKey) => Promise<Json | undefined>): SyncKind<Drawn> {
  const isFresh = ({ row, clock }: ForeseeInput<Drawn>) => {
    const { drawnAt = 0 } = (row.state.own ?? {}) as { drawnAt?: EpochMs };
    return clock() - drawnAt < 60_000;
  };
  const dataOf = (text: string) => new Map([["number", SecretValue.of(text)]]);
  return {
    ref: {
      ...{ group: "example.dev", version: "v1", resource: "lotteries", kind: "Lottery" },
      ...{ emptyStatus: { drawn: 0 }, invalidReason: "LotteryError" },
    },
    destination: kubernetesSecrets,
    resolve: ({ declared: { spec, uid } }) => ({
      refs: [],
      outcome:
        spec.secret === undefined
          ? new SyncError("SPEC_INVALID", "spec.secret: required")
          : {
              destination: {
                ...{ name: String(spec.secret), create: true, overwrite: false, type: "Opaque" },
                ...{ labels: { "example.dev/lottery": uid }, annotations: {} },
              },
              ...{ refreshAfterMs: undefined, hmac: false, rolloutTargets: [] },
            },
    }),
    foresee: async (run) =>
      isFresh(run)
        ? { kind: "data", data: dataOf("7"), next: "event", own: run.row.state.own ?? null, warnings: [] }
        : "would-issue",
    async obtain(run) {
      await run.claim.record({ own: { asking: true } });
      lottery.recorded = await recordedNow(run.row.key);
      lottery.asked.push("draw");
      const now = run.clock();
      return { kind: "data", data: dataOf("7"), next: { at: now + 50_000 }, own: { drawnAt: now }, warnings: [] };
    },
  };
}

const KEY = syncKey({ cluster: "east", kind: "Lottery", namespace: "shop", name: "tonight" });
const START = Date.UTC(2030, 0, 1);
const forever = new AbortController().signal;

/** The real core on a store in memory, before one cluster that holds Secrets and one declaration. */
function aScene(spec: JsonObject = { secret: "ticket" }) {
  let now = START;
  const clock = () => now;
  const store = simulatedSqliteStore(undefined);
  const lottery: Lottery = { asked: [], recorded: undefined };
  const rowOf = async (key: SyncKey) => (await store.read([key], "strong")).get(key);
  const kinds = kindRegistry([lotteryKind(lottery, async (key) => (await rowOf(key))?.state.own)]);
  const secrets = new Map<string, DesiredSecret>();
  const declared = aDeclared({ key: KEY, spec });
  const resource = { ...declared, resourceVersion: "1", deleting: false, finalizers: [], status: {} as JsonObject };
  const written: WrittenSecret = {
    ...{ uid: "secret", resourceVersion: "1", foreignKeys: [] },
    managed: { fingerprint: "f", ours: true, vso: false },
  };
  const seen = (secret: DesiredSecret | undefined): SeenSecret | undefined =>
    secret && {
      ...{ ...secret, ...written, immutable: false, deleting: false },
      ownerReferences: [{ ...secret.ownerReference }],
    };
  const events: ResourceEvent[] = [];
  let isDeclared = true;
  const deps = {
    ...{ leases: store, kinds, clock, random: () => 0.5, log: QUIET, metrics: counting() },
    queue: { send: async () => undefined },
    vault: { isKnown: () => true, giveUp: () => undefined },
    secrets: {
      observe: async ({ name }: { name: string }) => seen(secrets.get(name)),
      ownedNames: async () => [],
      async apply({ name }: { name: string }, desired: DesiredSecret) {
        secrets.set(name, desired);
        return written;
      },
      async remove({ name }: { name: string }) {
        secrets.delete(name);
      },
    },
    resources: {
      get: async () => (isDeclared ? (resource as unknown as SeenResource) : undefined),
      async writeStatus(_ref: unknown, status: JsonObject) {
        resource.status = status;
        return "2";
      },
      emit: async (_ref: unknown, _uid: string, event: ResourceEvent) => void events.push(event),
    },
    fleet: () => aCluster(),
    digestKey: digestKey(Buffer.alloc(32)),
  } as unknown as CoreDeps;
  const { handle, ca } = reconciler(deps);
  return {
    lottery,
    secrets,
    events,
    status: () => resource.status,
    row: async (key = KEY) => (await rowOf(key)) ?? assert.fail(`no row ${key}`),
    async declare() {
      await store.declare(declared, now);
    },
    /** Vault Secrets Operator works in the cluster. */
    async suspend() {
      const circuit = {
        id: suspensionOf("east"),
        code: "OTHER_CONTROLLER",
        message: "VSO works there",
        since: now,
      } as const;
      assert.ok(await store.openCircuit({ ...circuit, attempts: 0, fence: 1, probeAt: now + 60_000 }));
    },
    async removeDeclaration(): Promise<SyncKey> {
      isDeclared = false;
      return (await store.tombstone(KEY, declared.uid, now))?.key ?? assert.fail("nothing is left");
    },
    pass(ms: number) {
      now += ms;
    },
    async run(key = KEY) {
      const { failed } = await handle({ kind: "keys", keys: [key], lane: "now", at: now }, forever);
      assert.deepEqual(failed, []);
    },
    plan: async () => {
      const row = await rowOf(KEY);
      return planner({ ...deps, ca }).plan(row ? [row] : [], aCluster(), forever);
    },
    gone: async (key: SyncKey) => (await rowOf(key)) === undefined,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

describe("a kind that a test adds, with nothing but its own folder's worth of code", () => {
  it("is obtained, written, owned, told and scheduled", async () => {
    await using scene = aScene();
    await scene.declare();
    await scene.run();
    const secret = scene.secrets.get("ticket") ?? assert.fail("no Secret");
    assert.equal(secret.data.get("number")?.reveal().toString(), "7");
    const { uid } = (await scene.row()).declared;
    assert.deepEqual(secret.ownerReference, { apiVersion: "example.dev/v1", kind: "Lottery", name: "tonight", uid });
    const { state, dueAt } = await scene.row();
    assert.deepEqual(state.own, { drawnAt: START });
    assert.deepEqual(
      state.owned.map(({ name }) => name),
      ["ticket"],
    );
    assert.equal(dueAt, START + 50_000);
    const conditions = scene.status().conditions as JsonObject[];
    assert.deepEqual(
      conditions.map(({ type, status }) => `${type} ${status}`),
      ["SecretSynced True", "Healthy True", "Ready True"],
    );
  });

  it("has in its status what its resource requires, and a reason of its own for a declaration that is not valid", async () => {
    await using scene = aScene({});
    await scene.declare();
    await scene.run();
    assert.equal(scene.status().drawn, 0);
    assert.deepEqual(
      scene.events.map(({ reason, message }) => `${reason}: ${message}`),
      ["LotteryError: SPEC_INVALID: spec.secret: required"],
    );
  });

  it("goes on while Vault Secrets Operator, which doesn't know it, works in the cluster", async () => {
    await using scene = aScene();
    await scene.declare();
    await scene.suspend();
    await scene.run();
    assert.deepEqual([...scene.secrets.keys()], ["ticket"]);
  });

  it("records under its claim before a request that can't be repeated, and names its destination there already", async () => {
    await using scene = aScene();
    await scene.declare();
    await scene.run();
    assert.deepEqual(scene.lottery.recorded, { asking: true });
    assert.deepEqual(scene.lottery.asked, ["draw"]);
  });

  it("is planned without being issued", async () => {
    await using scene = aScene();
    await scene.declare();
    const [before] = await scene.plan();
    assert.deepEqual([before?.action, before?.secret], ["create", "ticket"]);
    assert.deepEqual([...scene.lottery.asked, ...scene.secrets.keys()], []);
    await scene.run();
    scene.pass(1_000);
    assert.equal((await scene.plan())[0]?.action, "none");
    assert.deepEqual(scene.lottery.asked, ["draw"]);
  });

  it("is cleaned up: its Secret goes, then what it has at its source", async () => {
    await using scene = aScene();
    await scene.declare();
    await scene.run();
    const cleanup = await scene.removeDeclaration();
    await scene.run(cleanup);
    assert.deepEqual([...scene.secrets.keys()], []);
    assert.deepEqual(scene.lottery.asked, ["draw"]);
    assert.ok(await scene.gone(cleanup));
  });
});
