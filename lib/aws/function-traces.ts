import type { Tracer } from "@aws-lambda-powertools/tracer";
import { SyncError } from "../errors.ts";

/** What a part of a trace says of itself: names and counts, never secret data. */
export interface Told {
  /** Traces are found by these. */
  readonly annotations?: Readonly<Record<string, string | number>>;
  /** What the part is about, by name; of more than 25 the first ones. */
  readonly about?: readonly string[];
}

export const NOTHING_TOLD = (): Told => ({});

/** The parts of an invocation's trace. Where nothing is traced (on one machine, in tests, not sampled) only the work is done. */
export interface Traces {
  /** All of an invocation: what is begun meanwhile belongs to it. */
  invocation<T>(work: () => Promise<T>): Promise<T>;
  /** One part of it; several may be under way at once. It is told only where it is traced. */
  part<T>(name: string, told: () => Told, work: () => Promise<T>): Promise<T>;
}

export interface TracesOptions {
  /** Whether this invocation is one that is traced. */
  readonly isSampled: () => boolean;
  /** Called once, when an invocation is first sampled: X-Ray's SDK is a tenth of what a tick loads. */
  readonly load: () => Promise<Tracer>;
}

/** As many names as a message holds keys: the X-Ray daemon takes 64 KB at once. */
const MAX_ABOUT = 25;

/**
 * Traces by Powertools' tracer. What failed is marked, with the code of a named failure: messages of errors are left out,
 * as in the log, since a bug's could quote data.
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

/** Ends the part with the work, and says whether that failed. */
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
