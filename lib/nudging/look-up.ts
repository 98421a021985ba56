import type { LookUpMessage } from "../ports/queue.ts";
import { nudgeReferring } from "../references/referring.ts";
import { sendDue } from "../schedule/messages.ts";
import { vaultLabel } from "../vault-label.ts";
import type { NudgingDeps } from "./deps.ts";
import { lookAgain } from "./look-again.ts";
import { sweep } from "./sweep.ts";

/** Processes a message that an inlet sent for later. Safe to call twice or late. */
export async function lookUp(deps: NudgingDeps, message: LookUpMessage): Promise<void> {
  const { vault, look } = message;
  switch (look.kind) {
    case "places":
      return count(deps, vault, await lookAgain(deps, vault, look));
    case "sweep":
      return sweep(deps, message, look);
    case "rows": {
      const { keys, lease = false } = look;
      const dues = await deps.leases.nudgeAll(keys, { now: deps.clock(), verify: lease });
      await sendDue(deps.queue, dues, deps.clock());
      return count(deps, vault, dues.length);
    }
    case "denied":
      return count(deps, vault, await nudgeReferring(deps, `denied:${vault}`, { verify: false }));
    default:
      return look satisfies never;
  }
}

function count({ metrics }: NudgingDeps, vault: string, nudged: number): void {
  if (nudged > 0) metrics.count("keyferry_event_nudges_total", { vault: vaultLabel(vault) }, nudged);
}
