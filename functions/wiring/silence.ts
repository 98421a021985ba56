import type { VaultWithInlets } from "../../lib/aws/inlet-places.ts";
import { type Clock, type EpochMs, MINUTE_MS } from "../../lib/clock.ts";
import type { NudgingDeps } from "../../lib/nudging/deps.ts";
import { sweepsOf } from "../../lib/nudging/sweep.ts";
import type { VaultEvents } from "../../lib/ports/vault-events.ts";
import type { HeardTimes } from "../../lib/store/dynamodb/heard.ts";

/** Lines within this time are one write. `silentAfter` is at least as long. */
const NOTED_MS = MINUTE_MS / 2;

/** Notes that lines of a Vault came. */
export interface Hearing {
  lines(vault: string): void;
  /** Writes what was noted, at the end of an invocation. */
  note(): Promise<void>;
}

/** Only Vaults whose silence means something cost a write, and a process writes at most twice a minute for each. */
export function hearing(times: HeardTimes, vaults: () => readonly VaultWithInlets[], clock: Clock): Hearing {
  const noted = new Map<string, EpochMs>();
  const heard = new Set<string>();
  return {
    lines: (vault) => void heard.add(vault),
    async note() {
      const now = clock();
      const names = [...heard].filter((name) => {
        const { silentAfterMs } = vaults().find((vault) => vault.name === name)?.events ?? {};
        return silentAfterMs !== undefined && now - (noted.get(name) ?? 0) >= NOTED_MS;
      });
      heard.clear();
      await Promise.all(names.map((name) => times.noteHeard(name, now)));
      for (const name of names) noted.set(name, now);
    },
  };
}

/** Sweeps each Vault whose lines did not come for too long, once for each such time. */
export async function sweepSilent(
  deps: NudgingDeps,
  times: HeardTimes,
  vaults: readonly VaultWithInlets[],
): Promise<void> {
  const now = deps.clock();
  for (const { name, events } of vaults) {
    if (events?.silentAfterMs === undefined || !hasInlet(events)) continue;
    const at = await times.heardAt(name);
    if (at !== undefined && now - at < events.silentAfterMs) continue;
    // The time begins with the first tick that knows the inlet, and anew with each sweep.
    if (at !== undefined) {
      await sweepsOf(deps, name).request("silent");
      deps.log.warn("audit-lines-missed", { vault: name, inlet: "silence", reason: "silent" });
      deps.metrics.count("keyferry_inlet_missed_total", { vault: name, inlet: "silence", reason: "silent" });
    }
    await times.noteHeard(name, now);
  }
}

/** Whether it has an inlet that functions serve. */
function hasInlet({ cloudwatchLogs, eventBridge, s3, post }: VaultEvents): boolean {
  return [cloudwatchLogs, eventBridge, s3, post].some((inlet) => inlet !== undefined);
}
