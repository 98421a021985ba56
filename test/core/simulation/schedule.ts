/** What a seed stands for: with which syncs, and how a run of it goes. */
export interface Schedule<P extends SomePlan = SomePlan> {
  planOf(seed: number): P;
  run(plan: P, options?: RunOptions): Promise<Outcome>;
}

export type ScheduleName = "static" | "issued" | "push";

export interface SomePlan {
  readonly actions: readonly SomeAction[];
}

export interface SomeAction {
  readonly at: number;
  readonly do: string;
}

export interface Outcome {
  readonly seed: number;
  readonly violations: readonly string[];
  /** Timers of the world that ran. */
  readonly steps: number;
  /** Of everything that was done, in order: equal for equal runs. Empty without a trace. */
  readonly hash: string;
  readonly trace: readonly string[];
}

export interface RunOptions {
  readonly trace?: boolean;
}

export function textOf({ at, ...action }: SomeAction): string {
  return `${at}: ${JSON.stringify(action)}`;
}
