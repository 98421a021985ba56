import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { described } from "../described.ts";
import { SyncError } from "../errors.ts";
import type { FleetFiles } from "../ports/fleet-files.ts";
import type { Inlet } from "../ports/inlet.ts";
import type { TakenPosts } from "../ports/taken-posts.ts";
import type { SubscribeInlet, VaultEvents } from "../ports/vault-events.ts";
import type { EventStream, RefusedEvents } from "../ports/vault-subscriptions.ts";
import { codeOf } from "../util/error-code.ts";
import { followFile } from "./follower.ts";
import { serveHttp } from "./http-inlets.ts";
import { FRAMES_LIMITS, intake } from "./intake.ts";
import { positionFile } from "./position.ts";
import { type Accepted, acceptedPosts, SENT_AGAIN_MS } from "./signed-post.ts";
import { type InletDeps, type Sink, sinkOf, untilDone } from "./sink.ts";
import { serveSocket } from "./socket-server.ts";
import { keepSubscribed, type SubscriptionState } from "./subscription.ts";

/** A Vault with its inlets. */
export interface VaultWithEvents {
  readonly name: string;
  readonly events?: VaultEvents;
}

export interface EmbeddedInletsOptions extends InletDeps {
  readonly inletOf: (vault: string) => Inlet;
  /** For frames of Vault's own events. */
  readonly frameInletOf: (vault: string) => Inlet;
  /** Subscribes as one of the Vault's identities in fleet.yaml. */
  readonly subscribe: (
    own: { readonly vault: string; readonly identity: string },
    types: string,
    signal: AbortSignal,
  ) => Promise<EventStream | RefusedEvents>;
  /** Files that fleet.yaml names. */
  readonly files: FleetFiles;
  /** Signed POSTs that were taken. */
  readonly posts: TakenPosts;
  /** A folder of this process for positions in audit files. */
  readonly folder: string;
}

/** The inlets of a running process. They follow fleet.yaml, and stop with the process. */
export interface EmbeddedInlets {
  /** Serves exactly the inlets of these Vaults. Unchanged ones go on. */
  set(vaults: readonly VaultWithEvents[]): Promise<void>;
  /** Stops all of them. Lines that are not taken come again, or cause a sweep. */
  close(): Promise<void>;
  /** Bytes of each followed file that are not taken yet. */
  lags(): readonly { readonly vault: string; readonly bytes: number }[];
}

/** An inlet, or several at one address. */
interface Unit {
  readonly id: string;
  readonly vault: string;
  readonly way: string;
  /** What it was started with: if this changes, it is started again. */
  readonly settings: unknown;
  run(stop: AbortSignal): Promise<void>;
}

interface Running {
  readonly settings: unknown;
  readonly end: AbortController;
  readonly done: Promise<void>;
}

/** How often an inlet that can't start tries again. */
const AGAIN_MS = 10 * SECOND_MS;

export function embeddedInlets(options: EmbeddedInletsOptions): EmbeddedInlets {
  const running = new Map<string, Running>();
  const known: Known = { lags: new Map(), lastLines: new Map(), accepted: new Map() };
  const endAll = async (ids: readonly string[]): Promise<void> => {
    const ending = ids.flatMap((id) => running.get(id) ?? []);
    for (const id of ids) running.delete(id);
    for (const { end } of ending) end.abort();
    await Promise.all(ending.map(({ done }) => done));
  };
  return {
    async set(vaults) {
      const units = new Map(unitsOf(options, known, vaults).map((unit) => [unit.id, unit]));
      const isSame = ([id, { settings }]: [string, Running]): boolean =>
        units.has(id) && isDeepStrictEqual(units.get(id)?.settings, settings);
      await endAll([...running].filter((one) => !isSame(one)).map(([id]) => id));
      for (const { id, settings, ...unit } of units.values()) {
        if (running.has(id)) continue;
        const end = new AbortController();
        running.set(id, { settings, end, done: keepRunning(options, unit, end.signal) });
      }
      for (const vault of known.lags.keys()) if (!running.has(`${vault} file`)) known.lags.delete(vault);
    },
    close: () => endAll([...running.keys()]),
    lags: () => [...known.lags].map(([vault, bytes]) => ({ vault, bytes })),
  };
}

/** An inlet that can't start must not stop keyferry: refreshes still find changes. */
async function keepRunning(deps: InletDeps, unit: Omit<Unit, "id" | "settings">, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    try {
      await unit.run(stop);
    } catch (error) {
      if (stop.aborted) return;
      const why = error instanceof SyncError ? error.message : (codeOf(error) ?? described(error).error);
      const remedy = "free its address or path, or change it in fleet.yaml; it is tried again";
      deps.log.error("inlet-unavailable", { vault: unit.vault, inlet: unit.way, why, remedy });
      await deps.sleep(AGAIN_MS, stop);
    }
  }
}

/** What outlives a unit. */
interface Known {
  readonly lags: Map<string, number>;
  /** When the last line of a Vault came. */
  readonly lastLines: Map<string, EpochMs>;
  /** Signed POSTs of a Vault, so that none is accepted again because another inlet at its address changed. */
  readonly accepted: Map<string, Accepted>;
}

function unitsOf(options: EmbeddedInletsOptions, known: Known, vaults: readonly VaultWithEvents[]): readonly Unit[] {
  const withEvents = vaults.flatMap(({ name, events }) => (events === undefined ? [] : [{ name, events }]));
  const sinkFor = (vault: string, way: string): Sink =>
    sinkOf(options.inletOf(vault), way, options, () => known.lastLines.set(vault, options.clock()));
  return [
    ...withEvents.flatMap(({ name, events }) => ownUnits(options, known, { name, events, sinkFor })),
    ...httpUnits(options, known, withEvents, sinkFor),
  ];
}

interface OfVault {
  readonly name: string;
  readonly events: VaultEvents;
  readonly sinkFor: (vault: string, way: string) => Sink;
}

function ownUnits(options: EmbeddedInletsOptions, known: Known, { name, events, sinkFor }: OfVault): readonly Unit[] {
  const { files } = options;
  const { file, tcp, unix, subscribe, silentAfterMs } = events;
  const unit = (way: string, settings: unknown, run: Unit["run"]): Unit => ({
    ...{ id: `${name} ${way}`, vault: name, way, settings },
    run,
  });
  const local = (path: string): string => files.local(path) ?? path;
  return [
    ...(file === undefined ? [] : [unit("file", file, followed(options, known, name, local(file.path), sinkFor))]),
    ...(tcp === undefined
      ? []
      : [
          unit("tcp", tcp, (stop) =>
            serveSocket(options, { place: { way: "tcp", ...tcp }, sink: sinkFor(name, "tcp") }, stop),
          ),
        ]),
    ...(unix === undefined
      ? []
      : [
          unit("unix", unix, (stop) => {
            const place = { way: "unix", path: local(unix.path), mode: unix.mode } as const;
            return serveSocket(options, { place, sink: sinkFor(name, "unix") }, stop);
          }),
        ]),
    ...(subscribe === undefined ? [] : [unit("subscribe", subscribe, subscribed(options, known, name, subscribe))]),
    ...(silentAfterMs === undefined
      ? []
      : [
          unit("silence", silentAfterMs, (stop) =>
            watchSilence(options, known, sinkFor(name, "silence"), silentAfterMs, stop),
          ),
        ]),
  ];
}

function followed(
  options: EmbeddedInletsOptions,
  { lags }: Known,
  vault: string,
  path: string,
  sinkFor: OfVault["sinkFor"],
): Unit["run"] {
  // A Vault's name is a DNS label, so it is a file name too.
  const positions = positionFile(join(options.folder, `${vault}.json`));
  const onLag = (bytes: number): void => void lags.set(vault, bytes);
  return (stop) => followFile(options, { path, positions, sink: sinkFor(vault, "file"), onLag }, stop);
}

function subscribed(
  options: EmbeddedInletsOptions,
  { lastLines }: Known,
  vault: string,
  { identity, types }: SubscribeInlet,
): Unit["run"] {
  return async (stop) => {
    const onFrames = (): void => void lastLines.set(vault, options.clock());
    const sink = sinkOf(options.frameInletOf(vault), "subscribe", options, onFrames);
    const frames = intake(options, sink, FRAMES_LIMITS);
    const open = (signal: AbortSignal) => options.subscribe({ vault, identity }, types, signal);
    let isFirst = true;
    const onState = ({ kind }: SubscriptionState): void => {
      if (kind !== "following") return;
      options.log.info("inlet-subscribed", { vault, inlet: "subscribe" });
      // What happened while keyferry was stopped.
      if (isFirst) frames.missed("reconnected");
      isFirst = false;
    };
    const onReconnected = (): void => frames.missed("reconnected");
    const subscription = { vault, intake: frames, open, onState, onReconnected };
    await Promise.all([frames.run(stop), keepSubscribed(options, subscription, stop)]);
  };
}

/** One server for each address. */
function httpUnits(
  options: EmbeddedInletsOptions,
  { accepted }: Known,
  vaults: readonly { readonly name: string; readonly events: VaultEvents }[],
  sinkFor: OfVault["sinkFor"],
): readonly Unit[] {
  const inlets = vaults.flatMap(({ name, events: { http } }) => (http === undefined ? [] : [{ name, http }]));
  return [...Map.groupBy(inlets, ({ http }) => http.listen)].map(([listen, all]) => ({
    id: `http ${listen}`,
    vault: all.map(({ name }) => name).join(", "),
    way: "http",
    settings: all,
    async run(stop) {
      const served = all.map(async ({ name, http }) => ({
        ...(await postsOf(options, accepted, name)),
        ...{ http, sink: sinkFor(name, "http") },
      }));
      await serveHttp(options, { listen, inlets: await Promise.all(served), files: options.files }, stop);
    },
  }));
}

/** The signed POSTs of a Vault that were taken, also by earlier processes. */
async function postsOf({ posts, clock }: EmbeddedInletsOptions, accepted: Known["accepted"], vault: string) {
  const found = accepted.get(vault) ?? acceptedPosts(undefined, await posts.takenPosts(vault, clock()));
  accepted.set(vault, found);
  const onTaken = (id: string) => posts.rememberPost(vault, { id, until: clock() + SENT_AGAIN_MS }, clock());
  return { accepted: found, onTaken };
}

/** Sweeps when no line came for so long, and again after each further time of silence. */
async function watchSilence(
  deps: InletDeps,
  { lastLines }: Known,
  sink: Sink,
  afterMs: number,
  stop: AbortSignal,
): Promise<void> {
  let since = deps.clock();
  while (!stop.aborted) {
    const now = deps.clock();
    // Times ahead were before the clock stepped back: they count as now.
    since = Math.min(since, now);
    const lastLine = Math.min(lastLines.get(sink.vault) ?? 0, now);
    lastLines.set(sink.vault, lastLine);
    const leftMs = Math.max(since, lastLine) + afterMs - now;
    if (leftMs > 0) await deps.sleep(Math.min(leftMs, MINUTE_MS), stop);
    else {
      const what = { vault: sink.vault, inlet: sink.way, missed: "silent" };
      await untilDone(deps, what, (signal) => sink.missed("silent", signal), stop);
      since = deps.clock();
    }
  }
}
