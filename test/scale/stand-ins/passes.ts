import { setTimeout as sleepFor } from "node:timers/promises";
import { runWatchPass } from "../../../lib/discovery/watch-pass.ts";
import type { KeysMessage } from "../../../lib/ports/queue.ts";
import type { LeaseStore } from "../../../lib/ports/store.ts";
import { aCluster } from "../../builders.ts";
import { type StandInApi, type StandIns, standInName } from "./api.ts";
import { counted, each, heapMiB } from "./measured.ts";

/** So many clusters at once, as an account's discovery function has them. */
const AT_ONCE = 50;
/** As that function watches. */
const SECONDS = 5;
/** Pauses of a pass are shortened: the stand-ins answer at once. */
const SHORTER = 50;
const QUIET = { debug() {}, info() {}, warn() {}, error() {} };
const UNCOUNTED = { ran() {}, count() {}, observe() {} };

export interface Passes {
  /** Calls of the store in each pass. */
  readonly calls: number;
  readonly ms: number;
  /** Keys that all passes sent to the queue. */
  readonly sent: number;
  readonly heapMiB: number;
}

/** A watch pass over each cluster, with the real discovery on the real table. */
export async function passesOver(
  real: LeaseStore,
  api: StandInApi,
  { clusters }: StandIns,
  now: number,
): Promise<Passes> {
  const before = heapMiB();
  const { pass, found } = passOf(real, api, now);
  const startedAt = performance.now();
  await each(clusters, AT_ONCE, async (at) => pass(standInName(at)));
  const ms = (performance.now() - startedAt) / clusters;
  const { calls, sent } = found();
  return { calls: calls / clusters, ms, sent, heapMiB: heapMiB() - before };
}

export interface OpenPasses {
  /** While a watch of each cluster is open, for each. */
  readonly kibOfEach: number;
  /** After all have ended. */
  readonly heapMiB: number;
}

/** A watch of all clusters at the same time, as the embedded engine has it. */
export async function openPasses(
  real: LeaseStore,
  api: StandInApi,
  { clusters }: StandIns,
  now: number,
): Promise<OpenPasses> {
  const before = heapMiB();
  const { pass } = passOf(real, api, now);
  const ended: Promise<void>[] = [];
  let kibOfEach = 0;
  {
    using _held = api.hold();
    const listed = Array.from({ length: clusters }, (_, at) => {
      const gate = Promise.withResolvers<void>();
      ended.push(pass(standInName(at), gate.resolve));
      return gate.promise;
    });
    await Promise.race([Promise.all(listed), Promise.all(ended)]);
    kibOfEach = ((heapMiB() - before) * 1_024) / clusters;
  }
  await Promise.all(ended);
  return { kibOfEach, heapMiB: heapMiB() - before };
}

function passOf(real: LeaseStore, api: StandInApi, now: number) {
  const { store, calls } = counted(real);
  let sent = 0;
  const send = async (messages: readonly { readonly kind?: string }[]): Promise<void> => {
    for (const message of messages as readonly KeysMessage[]) sent += message.keys?.length ?? 0;
  };
  const deps = {
    ...{ leases: store, queue: { send }, clusters: api.clusters, resources: api.resources, installation: "scale" },
    ...{ clock: () => now, random: () => 0.5, log: QUIET, metrics: UNCOUNTED },
  };
  const circuits = {
    open: async (error: Error) => {
      throw error;
    },
  };
  const sleep = async (ms: number, signal: AbortSignal): Promise<void> =>
    sleepFor(ms / SHORTER, undefined, { signal }).catch(() => undefined);
  const pass = async (name: string, onListed: () => void = () => undefined): Promise<void> => {
    const options = { seconds: SECONDS, againMs: 0, probeRevision: false, acceptMissing: false, onListed, sleep };
    const outcome = await runWatchPass(deps, circuits, aCluster({ name }), options, AbortSignal.timeout(300_000));
    if (outcome.kind !== "done" || outcome.error) throw new Error(`${name}: ${JSON.stringify(outcome)}`);
  };
  return { pass, found: () => ({ calls: calls(), sent }) };
}
