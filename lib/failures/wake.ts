import type { SyncKey } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import { nudgeReferring } from "../references/referring.ts";
import { sendDue } from "../schedule/messages.ts";
import type { Cause } from "./causes.ts";

type Deps = Pick<ReconcileDeps, "leases" | "queue" | "clock" | "log">;

export interface Waker {
  /** Wakes all rows that wait for this, except the one that found it resolved. */
  all(cause: Cause, but: SyncKey): Promise<void>;
  one(key: SyncKey): Promise<void>;
}

/** Wakes the rows that wait for a cause, which refer to it. */
export function waker(deps: Deps): Waker {
  return {
    async all(cause, but) {
      const syncs = await nudgeReferring(deps, `cause:${cause}`, { verify: false, but });
      if (syncs > 0) deps.log.info("waiting-syncs-woken", { causes: [cause], syncs });
    },
    async one(key) {
      const due = await deps.leases.nudge(key, { now: deps.clock(), verify: false });
      if (due) await sendDue(deps.queue, [due], deps.clock());
    },
  };
}
