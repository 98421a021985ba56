import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

interface ScriptCoverage {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly Range[] }[];
}

/** What ran of some files, by path from the root: for each process that loaded a file, what V8 counted. */
export type Coverage = ReadonlyMap<string, readonly (readonly Range[])[]>;

/** Reads what NODE_V8_COVERAGE left in a folder. Types are blanked out before V8 sees a file: its offsets are those of the source. */
export function readCoverage(folder: string, root: string, scope: ReadonlySet<string>): Coverage {
  const found = new Map<string, (readonly Range[])[]>();
  for (const name of readdirSync(folder)) {
    const { result } = JSON.parse(readFileSync(join(folder, name), "utf8")) as { result: readonly ScriptCoverage[] };
    for (const { url, functions } of result) {
      if (!url.startsWith("file:")) continue;
      const file = relative(root, fileURLToPath(url));
      if (!scope.has(file)) continue;
      const processes = found.get(file) ?? [];
      processes.push(functions.flatMap(({ ranges }) => ranges));
      found.set(file, processes);
    }
  }
  return found;
}

/** Whether any process ran what stands there: the narrowest range around a place says how often. */
export function isReached(coverage: Coverage, file: string, at: number): boolean {
  return (coverage.get(file) ?? []).some((ranges) => countAt(ranges, at) > 0);
}

export function countAt(ranges: readonly Range[], at: number): number {
  let narrowest: Range | undefined;
  for (const range of ranges) {
    if (range.startOffset > at || at >= range.endOffset) continue;
    const isNarrower =
      narrowest === undefined || range.endOffset - range.startOffset <= narrowest.endOffset - narrowest.startOffset;
    if (isNarrower) narrowest = range;
  }
  return narrowest?.count ?? 0;
}
