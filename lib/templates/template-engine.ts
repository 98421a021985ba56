import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { SECOND_MS } from "../clock.ts";
import { fingerprint } from "../digest.ts";
import { SyncError } from "../errors.ts";
import type { Rendered, Rendering, TemplateEngine } from "../ports/templates.ts";
import { SecretValue } from "../secret-value.ts";
import { goJson, type LosslessValue } from "../util/lossless.ts";
import { answerOf, placeText, problemMessage } from "./answer.ts";
import { type Lane, lane, type Outcome } from "./lane.ts";

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
  /** How many renderings may be in the slow lane: each one also occupies a place among the keys at work. */
  readonly slowAtOnce: number;
}

const LIMITS: TemplateLimits = { quickMs: 300, slowMs: 2 * SECOND_MS, slowAtOnce: 4 };

const IDLE_MS = 60 * SECOND_MS;

/** The maximum number of template sets remembered as slow. */
const MAX_SLOW = 1_000;

const decompress = promisify(brotliDecompress);

/** Beside this file, or beside the bundle that contains it. */
const ENGINE = new URL("./engine.wasm.br", import.meta.url);

export function goTemplates(limits: TemplateLimits = LIMITS): GoTemplates {
  let compiled: Promise<WebAssembly.Module> | undefined;
  const module = (): Promise<WebAssembly.Module> => {
    compiled ??= load();
    compiled.catch(() => {
      compiled = undefined;
    });
    return compiled;
  };
  const lanes = {
    quick: lane({ module, limitMs: limits.quickMs, idleMs: 10 * IDLE_MS }),
    slow: lane({ module, limitMs: limits.slowMs, idleMs: IDLE_MS }),
  };
  const slow = new Set<string>();
  const quickly = async (request: Uint8Array, name: string, signal: AbortSignal): Promise<Uint8Array | undefined> => {
    if (slow.has(name)) return undefined;
    const outcome = await within(lanes.quick, request, signal);
    if (outcome.kind === "answered") return outcome.answer;
    remember(slow, name);
    if (outcome.kind === "ended") throw timeIsOver();
    return undefined;
  };
  const slowly = async (request: Uint8Array, name: string, signal: AbortSignal): Promise<Uint8Array> => {
    if (lanes.slow.pending >= limits.slowAtOnce) throw givenUp("too many other slow ones are waiting");
    const outcome = await within(lanes.slow, request, signal);
    if (outcome.kind === "ended") throw timeIsOver();
    if (outcome.kind === "overran") throw overran(limits.slowMs);
    // Perhaps only the machine was slow: this set may use the quick lane again.
    if (outcome.tookMs < limits.quickMs / 2) slow.delete(name);
    return outcome.answer;
  };
  return {
    async render(rendering, signal) {
      const request = new TextEncoder().encode(goJson(requestOf(rendering)));
      const name = nameOf(rendering);
      return renderedOf((await quickly(request, name, signal)) ?? (await slowly(request, name, signal)));
    },
    async close() {
      await Promise.all([lanes.quick.close(), lanes.slow.close()]);
    },
  };
}

async function load(): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await decompress(await readFile(ENGINE)));
}

async function within(lane: Lane, request: Uint8Array, signal: AbortSignal): Promise<Outcome> {
  try {
    return await lane.run(request, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
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

function remember(slow: Set<string>, name: string): void {
  const [oldest] = slow;
  if (slow.size >= MAX_SLOW && oldest !== undefined) slow.delete(oldest);
  slow.add(name);
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
