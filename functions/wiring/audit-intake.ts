import type { Inlet } from "../../lib/ports/inlet.ts";
import type { AuditDeps, Intake } from "./audit-work.ts";

/** Counts what an inlet gets, and passes it on. `inlet`: as fleet.yaml calls it. */
export function intakeInto(to: Inlet, inlet: string, { log, metrics }: Pick<AuditDeps, "log" | "metrics">): Intake {
  const { vault } = to;
  const labels = { vault, inlet };
  return {
    vault,
    async take({ lines, tooLong }, signal) {
      const taken = await to.take(lines, signal);
      const bad = taken.bad + tooLong;
      metrics.count("keyferry_inlet_lines_total", labels, lines.length + tooLong);
      if (bad > 0) metrics.count("keyferry_inlet_bad_lines_total", labels, bad);
      log.debug("lines-taken", { ...labels, ...taken, bad });
      return { lines: lines.length + tooLong, bad, nudged: taken.nudged };
    },
    async missed(reason, signal) {
      await to.missed(reason, signal);
      metrics.count("keyferry_inlet_missed_total", { ...labels, reason });
      log.warn("audit-lines-missed", { ...labels, reason });
    },
  };
}
