import type { EpochMs } from "../clock.ts";
import type { OwnCalls } from "../ports/own-calls.ts";
import type { Effect } from "./effect.ts";
import { effectsOf } from "./effects.ts";
import { hidesWhat, revokedLease } from "./leases.ts";
import { type AuditLine, auditLine } from "./line.ts";

/** What an audit line means. `none`: nothing for any sync. `bad`: it is no audit line. `at`: when Vault wrote it. */
export type LineMeaning =
  | {
      readonly kind: "effects";
      readonly effects: readonly Effect[];
      readonly at?: EpochMs;
      /** A revocation that hides what it revokes: by this id it may be known as keyferry's own. */
      readonly id?: string;
    }
  | { readonly kind: "none" }
  | { readonly kind: "bad" };

export const NONE: LineMeaning = { kind: "none" };
export const BAD: LineMeaning = { kind: "bad" };

/** Reads audit lines. Lines of this process's own revocations have no effect. */
export function lineReader(own?: Pick<OwnCalls, "has">): (text: string) => LineMeaning {
  return (text) => {
    const line = auditLine(text);
    if (typeof line === "string") return line === "bad" ? BAD : NONE;
    const effects = effectsOf(line);
    if (effects.length === 0) return NONE;
    // Readers of the audit log know our marks: only a revocation is taken for ours by one.
    const mark = hidesWhat(line) ? line.mark : undefined;
    if (own?.has({ requestId: line.id, leaseId: revokedLease(line), mark })) return NONE;
    return { kind: "effects", effects, ...timeOf(line), ...hiddenIdOf(line) };
  };
}

/** Vault's ids of requests are UUIDs. Longer ones are of no call of ours, and of no key in a table. */
const LONGEST_ID = 100;

function hiddenIdOf(line: AuditLine): { readonly id?: string } {
  const id = line.mark ?? line.id;
  return hidesWhat(line) && id !== "" && id.length <= LONGEST_ID ? { id } : {};
}

export function timeOf({ time }: Pick<AuditLine, "time">): { readonly at?: EpochMs } {
  const at = Date.parse(time);
  return Number.isNaN(at) ? {} : { at };
}
