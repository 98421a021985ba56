import type { Tracer } from "@aws-lambda-powertools/tracer";
import { SyncError } from "../errors.ts";

/** The description of a part of a trace: names and counts, never secret data. */
export interface Told {
  /** X-Ray indexes these for searching. */
  readonly annotations?: Readonly<Record<string, string | number>>;
  /** The names of what the part works on; at most the first 25. */
  readonly about?: readonly string[];
}

export const NOTHING_TOLD = (): Told => ({});

/** The parts of an invocation's trace. Without tracing (on one machine, in tests, not sampled) only runs the work. */
export interface Traces {
  /** A whole invocation: parts that begin meanwhile belong to it. */
  invocation<T>(work: () => Promise<T>): Promise<T>;
  /** One part; several may run concurrently. `told` is called only with tracing. */
  part<T>(name: string, told: () => Told, work: () => Promise<T>): Promise<T>;
}

export interface TracesOptions {
  /** Whether this invocation is traced. */
  readonly isSampled: () => boolean;
  /** Called once, for the first sampled invocation: the X-Ray SDK is a tenth of what a tick loads. */
  readonly load: () => Promise<Tracer>;
}

/** As many as the keys of a message: the X-Ray daemon accepts 64 KB at once. */
const MAX_ABOUT = 25;

/**
 * Traces by Powertools' tracer. A failed part has the error's code, but never a message, since a bug's message could
 * quote data.
 */
export function functionTraces({ isSampled, load }: TracesOptions): Traces {
  let loaded: Promise<Tracer> | undefined;
  let tracer: Tracer | undefined;
  return {
    async invocation(work) {
      loaded ??= isSampled() ? load() : undefined;
      tracer = isSampled() ? await loaded : undefined;
      const root = tracer?.isTracingEnabled() ? tracer.getSegment() : undefined;
      if (tracer === undefined || root === undefined) return work();
      const own = root.addNewSubsegment("## invocation");
      tracer.setSegment(own);
      tracer.annotateColdStart();
      tracer.addServiceNameAnnotation();
      try {
        return await marked(own, work);
      } finally {
        tracer.setSegment(root);
      }
    },
    async part(name, told, work) {
      const parent = tracer?.isTracingEnabled() ? tracer.getSegment() : undefined;
      if (parent === undefined) return work();
      const { annotations = {}, about = [] } = told();
      const own = parent.addNewSubsegment(name);
      for (const [key, value] of Object.entries(annotations)) own.addAnnotation(key, value);
      if (about.length > 0) own.addMetadata("about", about.slice(0, MAX_ABOUT), "keyferry");
      return marked(own, work);
    },
  };
}

type Subsegment = ReturnType<NonNullable<ReturnType<Tracer["getSegment"]>>["addNewSubsegment"]>;

/** Ends the part after the work, and marks a failure. */
async function marked<T>(own: Subsegment, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    own.addErrorFlag();
    if (error instanceof SyncError) own.addAnnotation("code", error.code);
    throw error;
  } finally {
    own.close();
  }
}
