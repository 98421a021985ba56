import type { Coverage } from "./coverage.ts";
import type { Edit } from "./mutated-text.ts";

/** Tests of one file. */
export interface TestsOf {
  readonly file: string;
  /** By name, with how long each of them may take. Without it, all of the file. */
  readonly tests?: Readonly<Record<string, number>>;
}

/** What a worker is asked to do: run these tests, on a mutant or on the code as it is. */
export interface Job {
  /** Unlike that of any other job of the worker. */
  readonly tag: string;
  readonly mutant?: { readonly file: string; readonly edit: Edit };
  /** Files to load anew; without it all. */
  readonly fresh?: readonly string[];
  readonly runs: readonly TestsOf[];
  /** Tests that are left out, by a part of their name. */
  readonly tooSlow: readonly string[];
}

export interface MeasuredTest {
  readonly name: string;
  readonly ms: number;
  /** The same on a machine that does nothing else. */
  readonly cpuMs: number;
  readonly coverage: Coverage;
}

export interface Failure {
  readonly file: string;
  readonly test: string;
  readonly error: string;
}

/** What a worker says on its way. */
export type Said =
  /** The next step ends within so long, or never. */
  { readonly step: number } | { readonly failed: Failure } | { readonly done: Done };

export interface Done {
  readonly rss: number;
  readonly imports: Readonly<Record<string, readonly string[]>>;
  readonly tests: readonly MeasuredTest[];
  /** What ran outside of tests: when the file was loaded, and in hooks of suites. */
  readonly shared: Coverage;
}
