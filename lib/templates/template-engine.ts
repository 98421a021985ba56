import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { type Clock, SECOND_MS } from "../clock.ts";
import { fingerprint } from "../digest.ts";
import { SyncError } from "../errors.ts";
import type { Rendered, Rendering, TemplateEngine } from "../ports/templates.ts";
import { SecretValue } from "../secret-value.ts";
import { goJson, type LosslessValue } from "../util/lossless.ts";
import { answerOf, placeText, problemMessage } from "./answer.ts";
import { type Lane, type LaneRequest, lane } from "./lane.ts";
import { slowness } from "./slowness.ts";

/**
 * Renders templates, includes and excludes by Go's own text/template, sprig and regexp, compiled to WebAssembly, in a
 * thread without I/O. Loaded for the first rendering, and compiled once.
 */
export interface GoTemplates extends TemplateEngine {
  close(): Promise<void>;
}

export interface TemplateLimits {
  /** A slower rendering moves to the slow lane, so that others need not wait for it. */
  readonly quickMs: number;
  /** A slower rendering fails. */
  readonly slowMs: number;
  /** How many slow renderings of a namespace may run or wait: each one also occupies a place among the keys at work. */
  readonly slowAtOnce: number;
}

const LIMITS: TemplateLimits = { quickMs: 300, slowMs: 2 * SECOND_MS, slowAtOnce: 4 };

const IDLE_MS = 60 * SECOND_MS;

/** What a lane is asked, but for the time that it may take. */
type Asked = Omit<LaneRequest, "limitMs">;

const SKIPPED = { kind: "skipped" } as const;

const decompress = promisify(brotliDecompress);

/** Beside this file, or beside the bundle that contains it. */
const ENGINE = new URL("./engine.wasm.br", import.meta.url);

export function goTemplates(clock: Clock, limits: TemplateLimits = LIMITS): GoTemplates {
  let compiled: Promise<WebAssembly.Module> | undefined;
  const module = (): Promise<WebAssembly.Module> => {
    compiled ??= load();
    compiled.catch(() => {
      compiled = undefined;
    });
    return compiled;
  };
  const lanes = {
    quick: lane({ module, idleMs: 10 * IDLE_MS }),
    slow: lane({ module, idleMs: IDLE_MS }),
  };
  const slow = slowness(clock);
  const slowOnes = places(limits.slowAtOnce);
  /** Unknown sets of a namespace in doubt wait for the slow lane: they may be quick, so none is refused. */
  const tried = async (asked: Asked, name: string): ReturnType<Lane["run"]> => {
    const trial = { ...asked, limitMs: limits.quickMs };
    const isSlow = (): boolean => slow.isSlow(name);
    const isNotForQuickLane = (): boolean => isSlow() || slow.isDoubted(asked.place);
    // Those before it in the line may have been slow: it is asked again when its turn comes.
    const outcome = isNotForQuickLane() ? SKIPPED : await within(lanes.quick, trial, isNotForQuickLane);
    return outcome.kind !== "skipped" || isSlow() ? outcome : within(lanes.slow, trial, isSlow);
  };
  /** Undefined: it is slow. */
  const quickly = async (asked: Asked, name: string): Promise<Uint8Array | undefined> => {
    const outcome = await tried(asked, name);
    if (outcome.kind === "answered") return outcome.answer;
    if (outcome.kind === "skipped") return undefined;
    slow.add(name, asked.place);
    if (outcome.kind === "ended") throw timeIsOver();
    return undefined;
  };
  const slowly = async (asked: Asked, name: string): Promise<Uint8Array> => {
    const slowLane = () => within(lanes.slow, { ...asked, limitMs: limits.slowMs });
    const outcome = await slowOnes(asked.place, slowLane);
    if (outcome.kind === "ended") throw timeIsOver();
    if (outcome.kind !== "answered") throw overran(limits.slowMs);
    if (outcome.tookMs < limits.quickMs / 2) slow.forget(name);
    return outcome.answer;
  };
  return {
    async render(rendering, place, signal) {
      const request = new TextEncoder().encode(goJson(requestOf(rendering)));
      const name = nameOf(rendering);
      const asked = { request, place, signal };
      return renderedOf((await quickly(asked, name)) ?? (await slowly(asked, name)));
    },
    async close() {
      await Promise.all([lanes.quick.close(), lanes.slow.close()]);
    },
  };
}

/** Work of at most so many of a place, what waits included; more of it is refused. */
function places(atOnce: number) {
  const taken = new Map<string, number>();
  return async <T>(place: string, work: () => Promise<T>): Promise<T> => {
    const others = taken.get(place) ?? 0;
    if (others >= atOnce) throw givenUp("too many slow ones of its namespace are waiting");
    taken.set(place, others + 1);
    try {
      return await work();
    } finally {
      const left = (taken.get(place) ?? 1) - 1;
      if (left === 0) taken.delete(place);
      else taken.set(place, left);
    }
  };
}

async function load(): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await decompress(await readFile(ENGINE)));
}

async function within(lane: Lane, asked: LaneRequest, isInVain?: () => boolean): ReturnType<Lane["run"]> {
  try {
    return await lane.run(asked, isInVain);
  } catch (error) {
    if (!asked.signal.aborted) throw error;
    throw givenUp("keyferry ran out of time");
  }
}

function givenUp(because: string): SyncError {
  return new SyncError("DEADLINE_EXCEEDED", `the templates were not rendered: ${because}`);
}

/** The request in the engine's format. */
export function requestOf({ templates, includes, excludes, input, missingKey }: Rendering): LosslessValue {
  return {
    templates: templates.map(({ name, key, text }) => ({ name, key: key ?? null, text })),
    includes,
    excludes,
    input: {
      Secrets: input.secrets,
      Metadata: input.metadata,
      Annotations: input.annotations,
      Labels: input.labels,
    },
    missingKey: missingKey ?? "default",
  };
}

/** The same for renderings with the same texts, whatever their data and declaration. */
function nameOf({ templates, includes, excludes }: Rendering): string {
  return fingerprint(...templates.map(({ text }) => text), ...includes, ...excludes);
}

function renderedOf(bytes: Uint8Array): Rendered {
  const answer = answerOf(bytes);
  if ("problem" in answer) throw renderFailed(problemMessage(answer.problem));
  const outputs = answer.outputs.map(({ key, value }) => [key, SecretValue.of(Buffer.from(value, "base64"))] as const);
  return { outputs: new Map(outputs), fields: new Set(answer.fields), missing: answer.missing.map(placeText) };
}

function renderFailed(message: string): SyncError {
  return new SyncError("TRANSFORM_FAILED", message);
}

function timeIsOver(): SyncError {
  return renderFailed("the templates need more memory, or nest deeper, than is allowed");
}

function overran(limitMs: number): SyncError {
  return renderFailed(`the templates take more than ${limitMs / SECOND_MS} s: perhaps one never ends`);
}
