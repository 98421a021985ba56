import { effectsOf } from "../../lib/audit/effects.ts";
import { auditLine } from "../../lib/audit/line.ts";
import type { LineRead } from "../../lib/nudging/deps.ts";

/** What a line of an audit log means for syncs. */
export function readLine(text: string): LineRead {
  const line = auditLine(text);
  if (line === "bad") return { kind: "bad" };
  if (typeof line === "string") return { kind: "none" };
  const effects = effectsOf(line);
  if (effects.length === 0) return { kind: "none" };
  const at = Date.parse(line.time);
  return { kind: "effects", effects, ...(Number.isNaN(at) ? {} : { at }) };
}
