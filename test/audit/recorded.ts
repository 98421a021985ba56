import { readFileSync } from "node:fs";
import type { VaultFlavor } from "../harness/index.ts";

export const FLAVORS: readonly VaultFlavor[] = ["vault", "openbao"];

export interface RecordedKind {
  readonly kind: string;
  readonly lines: readonly string[];
}

/** The lines that `record.ts` stored, by kind of operation. */
export function recorded(flavor: VaultFlavor): readonly RecordedKind[] {
  const kinds: { kind: string; lines: string[] }[] = [];
  const text = readFileSync(new URL(`recorded/${flavor}.jsonl`, import.meta.url), "utf8");
  for (const line of text.split("\n")) {
    if (line.startsWith('{"kind":')) kinds.push({ kind: (JSON.parse(line) as RecordedKind).kind, lines: [] });
    else if (line !== "") kinds.at(-1)?.lines.push(line);
  }
  return kinds;
}
