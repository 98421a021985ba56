import { SECOND_MS } from "../../../lib/clock.ts";
import { digestKey, fingerprint } from "../../../lib/digest.ts";
import { referenceKey, type SyncKey } from "../../../lib/keys.ts";
import { KINDS } from "../../../lib/kinds/registry.ts";
import type { WorkMessage } from "../../../lib/ports/queue.ts";
import type { Row } from "../../../lib/ports/rows.ts";
import type { LeaseStore } from "../../../lib/ports/store.ts";
import type { CoreDeps } from "../../../lib/reconcile/deps.ts";
import { reconciler } from "../../../lib/reconcile/reconcile.ts";
import { tick } from "../../../lib/schedule/tick.ts";
import { SecretValue } from "../../../lib/secret-value.ts";
import type { JsonObject } from "../../../lib/util/json.ts";
import { type OpenVaultApi, vaultApi } from "../../../lib/vault/vault-api.ts";
import { aCluster, aDeclared, aKey, aReference } from "../../builders.ts";
import { counting, QUIET } from "../../unit/aws/records.ts";
import { type OpenStore, START } from "../lease-store/scene.ts";
import type { ScriptedVault } from "./scripted-vault.ts";

const forever = new AbortController().signal;
const HORIZON_MS = 2 * SECOND_MS;
const BATCHES_AT_ONCE = 32;

/** The core over a real lease table and a Vault, with ticks and workers that live in the time of the test. */
export interface FleetInTime extends AsyncDisposable {
  readonly store: LeaseStore;
  now(): number;
  /** `role`: of its VaultAuth, which is made when it is new. */
  declare(
    name: string,
    spec: { readonly path: string; readonly refreshAfter: string; readonly role?: string },
  ): Promise<SyncKey>;
  undeclare(key: SyncKey): Promise<void>;
  row(key: SyncKey): Promise<Row | undefined>;
  /** Lets time pass, second by second. */
  pass(ms: number): Promise<void>;
  /** Lets time pass until it is so; answers how long it took. Fails after `mostMs`. */
  until(isSo: () => boolean | Promise<boolean>, mostMs: number): Promise<number>;
  /** The process ends, and another one starts: what was in memory is lost. */
  restart(): void;
  /** Syncs whose data was written. */
  readonly written: Set<string>;
  /** How many settles so far. */
  settles(): number;
}

export async function fleetInTime(open: OpenStore, vault: ScriptedVault, stepMs = SECOND_MS): Promise<FleetInTime> {
  let now = START;
  let seed = 1;
  const clock = () => now;
  /** Repeatable, and even enough. */
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const store = await open(clock);
  const written = new Set<string>();
  let queued: WorkMessage[] = [];
  const queue = { send: async (messages: readonly WorkMessage[]) => void queued.push(...messages) };
  const metrics = counting();
  const credentials = {
    credential: async () => ({ value: SecretValue.of("jwt"), expiresAt: Number.POSITIVE_INFINITY }),
    secret: async () => new Map(),
    annotations: async () => ({}),
  };
  const apis: OpenVaultApi[] = [];
  const openVaultApi = () => {
    const end = vaultApi({
      clock,
      credentials,
      log: QUIET,
      reachOf: () => ({ named: [vault.address], onlyNamed: false }),
    });
    apis.push(end);
    return end;
  };
  const start = () => {
    const deps = {
      ...{ leases: store, queue, clock, random, metrics, credentials, log: QUIET },
      vault: openVaultApi(),
      secrets: {
        observe: async () => undefined,
        apply: async ({ name }: { name: string }) => {
          written.add(name);
          return {
            uid: `secret-${name}`,
            resourceVersion: "1",
            managed: { fingerprint: "f", ours: true, vso: false },
            foreignKeys: [],
          };
        },
        hmacKey: async () => undefined,
      },
      resources: {
        get: async () => undefined,
        writeStatus: async (_ref: unknown, _status: JsonObject, resourceVersion: string) =>
          String(Number(resourceVersion) + 1),
        emit: async () => undefined,
      },
      fleet: () => aCluster(),
      digestKey: digestKey(Buffer.alloc(32)),
      kinds: KINDS,
    } as unknown as CoreDeps;
    return { deps, ...reconciler(deps) };
  };
  let worker = start();

  await store.putReference(
    aReference({
      key: referenceKey({ cluster: "east", kind: "VaultConnection", namespace: "vso", name: "default" }),
      spec: { address: vault.address },
    }),
  );
  const work = async (): Promise<void> => {
    const ready = queued.filter(({ at }) => at <= now);
    queued = queued.filter(({ at }) => at > now);
    for (let from = 0; from < ready.length; from += BATCHES_AT_ONCE) {
      const some = ready.slice(from, from + BATCHES_AT_ONCE);
      const reports = await Promise.all(some.map((message) => worker.handle({ ...message, at: now }, forever)));
      for (const { failed } of reports) for (const { error } of failed) throw error;
    }
  };
  const step = async (): Promise<void> => {
    const backlog = () => ({});
    await tick({ leases: store, queue, clock, horizonMs: HORIZON_MS, backlog, log: QUIET, metrics }, forever);
    await work();
    now += stepMs;
  };
  const roles = new Set<string>();
  return {
    ...{ store, written },
    now: clock,
    settles: () => store.counts().settle ?? 0,
    async declare(name, { path, refreshAfter, role = "app" }) {
      if (!roles.has(role)) {
        roles.add(role);
        const key = referenceKey({ cluster: "east", kind: "VaultAuth", namespace: "shop", name: role });
        const kubernetes = { role, serviceAccount: "default" };
        await store.putReference(aReference({ key, spec: { method: "kubernetes", mount: "kubernetes", kubernetes } }));
      }
      const destination = { name, create: true };
      const spec = { type: "kv-v2", mount: "kv", path, refreshAfter, destination, vaultAuthRef: role };
      const key = aKey(name);
      await store.declare(aDeclared({ key, spec, group: fingerprint(role, path) }), now);
      return key;
    },
    async undeclare(key) {
      await store.tombstone(key, `uid-of-${key}`, now);
    },
    row: async (key) => (await store.read([key], "strong")).get(key),
    async pass(ms) {
      for (const end = now + ms; now < end; ) await step();
    },
    async until(isSo, mostMs) {
      const from = now;
      while (!(await isSo())) {
        if (now - from > mostMs) throw new Error(`not so after ${mostMs / SECOND_MS} s`);
        await step();
      }
      return now - from;
    },
    restart() {
      queued = [];
      worker = start();
    },
    async [Symbol.asyncDispose]() {
      for (const end of apis) await end.close();
      await store[Symbol.asyncDispose]();
    },
  };
}
