import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { SECOND_MS } from "../clock.ts";
import { fingerprint } from "../digest.ts";
import { SyncError } from "../errors.ts";
import { goJson, type LosslessValue } from "../lossless.ts";
import type { Rendered, Rendering, TemplateEngine } from "../reconcile/ports.ts";
import { SecretValue } from "../secret-value.ts";
import { answerOf, problemMessage } from "./answer.ts";
import { type Lane, lane, type Outcome } from "./lane.ts";

/**
 * Templates, includes and excludes by Go's own text/template, sprig and regexp, compiled to WebAssembly, in a thread of
 * their own without any I/O. It is loaded with the first rendering, and compiled once.
 */
export interface GoTemplates extends TemplateEngine {
  close(): Promise<void>;
}

export interface TemplateLimits {
  /** What takes longer is moved to the slow lane, so that the others do not wait for it. */
  readonly quickMs: number;
  /** What takes longer there has failed. */
  readonly slowMs: number;
  /** How long a rendering may wait for its turn in the slow lane. */
  readonly waitMs: number;
}

const LIMITS: TemplateLimits = { quickMs: 300, slowMs: 2 * SECOND_MS, waitMs: 20 * SECOND_MS };

const IDLE_MS = 60 * SECOND_MS;

/** So many sets of templates are remembered as slow. */
const MAX_SLOW = 1_000;

const decompress = promisify(brotliDecompress);

/** Beside this file, or beside the bundle that it became part of. */
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
  return {
    async render(rendering, signal) {
      const request = new TextEncoder().encode(goJson(requestOf(rendering)));
      const name = nameOf(rendering);
      if (!slow.has(name)) {
        const outcome = await within(lanes.quick, request, [signal]);
        if (outcome.kind === "answered") return renderedOf(outcome.answer);
        remember(slow, name);
        if (outcome.kind === "ended") throw ended();
      }
      const outcome = await within(lanes.slow, request, [signal, AbortSignal.timeout(limits.waitMs)]);
      if (outcome.kind === "ended") throw ended();
      if (outcome.kind === "overran") throw overran(limits.slowMs);
      // It was slow once, perhaps because the machine was: it may go with the others again.
      if (outcome.tookMs < limits.quickMs / 2) slow.delete(name);
      return renderedOf(outcome.answer);
    },
    async close() {
      await Promise.all([lanes.quick.close(), lanes.slow.close()]);
    },
  };
}

async function load(): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await decompress(await readFile(ENGINE)));
}

async function within(lane: Lane, request: Uint8Array, signals: readonly AbortSignal[]): Promise<Outcome> {
  const signal = AbortSignal.any([...signals]);
  try {
    return await lane.run(request, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new SyncError(
      "DEADLINE_EXCEEDED",
      "its templates were given up: no time was left, or slower ones were first",
    );
  }
}

/** The request as the engine reads it. */
export function requestOf({ templates, includes, excludes, input }: Rendering): LosslessValue {
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
  };
}

/** The same for renderings of the same templates, whatever the data is. */
function nameOf({ templates, includes, excludes }: Rendering): string {
  const texts = templates.flatMap(({ name, key, text }) => [name, key ?? "", text]);
  return fingerprint(...texts, ...includes, ...excludes);
}

function remember(slow: Set<string>, name: string): void {
  const [oldest] = slow;
  if (slow.size >= MAX_SLOW && oldest !== undefined) slow.delete(oldest);
  slow.add(name);
}

function renderedOf(bytes: Uint8Array): Rendered {
  const answer = answerOf(bytes);
  if ("problem" in answer) throw failed(problemMessage(answer.problem));
  const outputs = answer.outputs.map(({ key, value }) => [key, SecretValue.of(Buffer.from(value, "base64"))] as const);
  return { outputs: new Map(outputs), fields: new Set(answer.fields) };
}

function failed(message: string): SyncError {
  return new SyncError("TRANSFORM_FAILED", message);
}

function ended(): SyncError {
  return failed("the templates need more memory, or nest deeper, than a rendering may");
}

function overran(limitMs: number): SyncError {
  return failed(`the templates take more than ${limitMs / SECOND_MS} s: perhaps one never ends`);
}
