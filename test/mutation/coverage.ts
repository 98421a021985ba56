import { Session } from "node:inspector/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

export interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

/** What ran of some files, by path from the root: parts of their text, by offset, in order. */
export type Coverage = Readonly<Record<string, readonly (readonly [start: number, end: number])[]>>;

/** Counts what runs in this process from now on; each call tells what ran since the call before it. */
export async function countCoverage(root: string, scope: ReadonlySet<string>): Promise<() => Promise<Coverage>> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  return async () => {
    const { result } = await session.post("Profiler.takePreciseCoverage");
    const found: Record<string, readonly (readonly [number, number])[]> = {};
    for (const { url, functions } of result) {
      const file = url.startsWith("file:") ? relative(root, fileURLToPath(url)) : "";
      if (!scope.has(file)) continue;
      // Types are blanked out before V8 sees a file: its offsets are those of the source.
      const parts = executedParts(functions.flatMap(({ ranges }) => ranges));
      if (parts.length > 0) found[file] = [...(found[file] ?? []), ...parts];
    }
    return found;
  };
}

/** The narrowest range around a place says how often it ran. */
export function executedParts(ranges: readonly Range[]): readonly (readonly [number, number])[] {
  const nested = [...ranges].sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
  const parts: [number, number][] = [];
  const around: Range[] = [];
  let at = 0;
  const advance = (to: number) => {
    if (to > at && (around.at(-1)?.count ?? 0) > 0) {
      const last = parts.at(-1);
      if (last?.[1] === at) last[1] = to;
      else parts.push([at, to]);
    }
    at = Math.max(at, to);
  };
  const leave = (upTo: number) => {
    for (let inner = around.at(-1); inner !== undefined && inner.endOffset <= upTo; inner = around.at(-1)) {
      advance(inner.endOffset);
      around.pop();
    }
  };
  for (const range of nested) {
    leave(range.startOffset);
    advance(range.startOffset);
    around.push(range);
  }
  leave(Number.POSITIVE_INFINITY);
  return parts;
}

export function isReached(coverage: Coverage, file: string, at: number): boolean {
  return (coverage[file] ?? []).some(([start, end]) => start <= at && at < end);
}

export function merged(parts: readonly Coverage[]): Coverage {
  const all: Record<string, (readonly [number, number])[]> = {};
  for (const coverage of parts) {
    for (const [file, of] of Object.entries(coverage)) all[file] = [...(all[file] ?? []), ...of];
  }
  return all;
}
