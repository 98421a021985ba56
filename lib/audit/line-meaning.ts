import type { EpochMs } from "../clock.ts";
import type { OwnCalls } from "../ports/own-calls.ts";
import type { Effect } from "./effect.ts";
import { effectsOf } from "./effects.ts";
import { revokedLease } from "./leases.ts";
import { type AuditLine, auditLine } from "./line.ts";

/** What an audit line means. `none`: nothing for any sync. `bad`: it is no audit line. `at`: when Vault wrote it. */
export type LineMeaning =
  | { readonly kind: "effects"; readonly effects: readonly Effect[]; readonly at?: EpochMs }
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
    if (effects.length === 0 || own?.has({ requestId: line.id, leaseId: revokedLease(line) })) return NONE;
    return { kind: "effects", effects, ...timeOf(line) };
  };
}

export function timeOf({ time }: Pick<AuditLine, "time">): { readonly at?: EpochMs } {
  const at = Date.parse(time);
  return Number.isNaN(at) ? {} : { at };
}
