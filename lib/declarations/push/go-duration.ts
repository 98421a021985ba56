/** Units of Go's time.ParseDuration, in ms. */
const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

const WHOLE =
  /^[-+]?(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*)$/u;
const PART = /([0-9.]+)(ns|us|µs|μs|ms|s|m|h)/gu;

/** No duration is written longer. */
const MAX_CHARACTERS = 40;

/** A duration as Go parses it (`1h30m`, `1.5h`), in whole ms; undefined when it is none, or too long for Go. */
export function parseGoDuration(text: string): number | undefined {
  if (text.length > MAX_CHARACTERS || !WHOLE.test(text)) return undefined;
  const parts = [...text.matchAll(PART)];
  const ms = parts.reduce((sum, [, count = "0", unit = ""]) => sum + Number(count) * (UNITS[unit] ?? 0), 0);
  if (!(ms <= MAX_MS)) return undefined;
  return text.startsWith("-") ? -Math.ceil(ms) : Math.ceil(ms);
}

/** 2^63 - 1 ns. */
const MAX_MS = 9_223_372_036_854;
