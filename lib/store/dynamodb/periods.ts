import { isRefreshSlot } from "../stored.ts";
import type { Connection } from "./connection.ts";
import { PERIODS } from "./table.ts";

interface PeriodsItem {
  readonly steps?: ReadonlySet<number>;
}

/** The set of wheel periods in use, which only grows (lease-table 12). */
export interface Periods {
  all(): Promise<readonly number[]>;
  /** Before a row joins the wheel. Nothing is written, and once known nothing is asked, when the set has it. */
  use(period: number): Promise<void>;
}

export function periods(connection: Connection): Periods {
  const known = new Set<number>();
  const read = async (consistency: "strong" | "eventual"): Promise<ReadonlySet<number>> => {
    const item = await connection.get<PeriodsItem>(PERIODS, consistency);
    for (const step of item?.steps ?? []) if (isRefreshSlot(step, 0)) known.add(step);
    return known;
  };
  return {
    all: async () => [...(await read("strong"))].sort((a, b) => a - b),
    use: async (period) => {
      if (known.has(period) || (await read("eventual")).has(period)) return;
      await connection.addToSet(PERIODS, "steps", period);
      known.add(period);
    },
  };
}
