/** One measured figure: what, how much, of what, and what it is to reach if the issue says so. */
export interface Figure {
  readonly scenario: string;
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly goal?: string;
  /** It must have been reached, and was not. */
  readonly isMissed?: boolean;
}

export function figure(scenario: string, name: string, value: number, unit: string, goal?: string): Figure {
  return { scenario, name, value: Number(value.toPrecision(4)), unit, ...(goal === undefined ? {} : { goal }) };
}

/** A figure without which the run has failed: never noise, whatever the machine. */
export function mustBe(scenario: string, name: string, value: number, wanted: number): Figure {
  return { ...figure(scenario, name, value, "", `${wanted}`), isMissed: value !== wanted };
}

/** The value below which this share of the samples lies. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
