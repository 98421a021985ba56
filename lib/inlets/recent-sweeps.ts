import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, type EpochMs, MINUTE_MS } from "../clock.ts";
import type { MissedReason } from "../ports/inlet.ts";
import { replaceFile } from "./replace-file.ts";
import { missedReason } from "./signed-post.ts";

/**
 * Sweeps of the last minutes. A sweep takes up to five minutes, in the memory of its process: after a crash it is asked
 * for again, because the lines that caused it do not come again.
 */
export interface RecentSweeps {
  /** Before the sweep is asked for. */
  note(vault: string, reason: MissedReason): Promise<void>;
  /** The last one of this Vault, if it may not have ended. */
  unended(vault: string): Promise<MissedReason | undefined>;
}

const LONGEST_MS = 6 * MINUTE_MS;

export function recentSweeps(folder: string, clock: Clock): RecentSweeps {
  // A Vault's name is a DNS label, so it is a file name too.
  const fileOf = (vault: string): string => join(folder, `${vault}.sweep.json`);
  return {
    async note(vault, reason) {
      await replaceFile(fileOf(vault), `${JSON.stringify({ reason, at: clock() })}\n`);
    },
    async unended(vault) {
      const noted = parsed(await readFile(fileOf(vault), "utf8").catch(() => ""));
      return noted !== undefined && Math.abs(clock() - noted.at) < LONGEST_MS ? noted.reason : undefined;
    },
  };
}

function parsed(text: string): { readonly reason: MissedReason; readonly at: EpochMs } | undefined {
  try {
    const { reason, at } = (JSON.parse(text) ?? {}) as Readonly<Record<string, unknown>>;
    const known = missedReason(typeof reason === "string" ? reason : undefined);
    return known === undefined || typeof at !== "number" ? undefined : { reason: known, at };
  } catch {
    return undefined;
  }
}
