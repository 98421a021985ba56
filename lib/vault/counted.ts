import { SyncError } from "../errors.ts";
import type { Metrics } from "../ports/telemetry.ts";
import { givenUp } from "./shared-token.ts";

export interface Counter {
  readonly metrics: Metrics | undefined;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Counts how some work ended: what `said` makes of its result, or its failure's code. */
export async function counted<T>(
  { metrics, name, labels }: Counter,
  work: () => Promise<T>,
  signal: AbortSignal,
  said: (result: T) => string = () => "ok",
): Promise<T> {
  const count = (outcome: string) => metrics?.count(name, { ...labels, outcome });
  try {
    const result = await work();
    count(said(result));
    return result;
  } catch (error) {
    const failure = givenUp(error, signal);
    count(failure instanceof SyncError ? failure.code : "bug");
    throw failure;
  }
}
