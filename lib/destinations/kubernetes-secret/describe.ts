import type { Effect } from "../destination.ts";
import { changesOf } from "./changes.ts";
import type { Decision, Work } from "./state.ts";

/** A decision's effect on a Secret, for people. Removed Secrets under former names appear only by name. */
export function describe(decision: Decision, work: Work): Effect | undefined {
  const before = typeof work.seen.secret === "object" ? work.seen.secret : undefined;
  const changes = changesOf(work.seen.key, before, work);
  switch (decision.do) {
    case "create":
      return { action: "create", because: "it does not exist", changes };
    case "recreate":
      return { action: "recreate", because: "its type changes", changes };
    case "take-over": {
      const because = `Vault Secrets Operator wrote it, and ${changes.any ? "it differs" : "its declaration changed"}`;
      return { action: "take-over", because, changes };
    }
    case "replace":
      return { action: "update", because: decision.because, changes };
    case "apply":
      // The declaration changed, but not the Secret: such an apply changes nothing.
      if (!changes.any) return { action: "adopt", because: decision.because };
      return { action: "update", because: decision.because, changes };
    case "adopt":
      return { action: "adopt", because: "in step, but not recorded yet" };
    case "observe":
    case "reassert":
    case "stand-beside":
    case "prune":
      return undefined;
    default:
      return decision satisfies never;
  }
}
