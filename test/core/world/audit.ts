import type { Effect } from "../../../lib/audit/effect.ts";
import type { LineRead } from "../../../lib/nudging/deps.ts";

/** A line of the world's Vaults: its effects as they are, so that stories are about what effects do. */
export function aLine(...effects: readonly Effect[]): string {
  return lineAt(undefined, ...effects);
}

/** The same with the time at which Vault wrote it. */
export function lineAt(at: number | undefined, ...effects: readonly Effect[]): string {
  return JSON.stringify({ effects, ...(at === undefined ? {} : { at }) });
}

export function readLine(line: string): LineRead {
  try {
    const { effects, at } = JSON.parse(line) as { effects?: readonly Effect[]; at?: number };
    if (effects === undefined) return { kind: "none" };
    return { kind: "effects", effects, ...(at === undefined ? {} : { at }) };
  } catch {
    return { kind: "bad" };
  }
}
