import type { WheelLane } from "../../ports/rows.ts";
import { soundSlot } from "../stored.ts";
import type { Connection } from "./connection.ts";
import { periodsAt } from "./table.ts";

interface PeriodsItem {
  readonly steps?: ReadonlySet<number>;
}

/** The periods in use on each wheel, in sets that only grow (lease-table 12). */
export interface Periods {
  all(lane: WheelLane): Promise<readonly number[]>;
  /** Call before a row joins the wheel. Writes nothing for a period in the set, and reads nothing for one it knows. */
  use(lane: WheelLane, period: number): Promise<void>;
}

export function periods(connection: Connection): Periods {
  const known = { renew: new Set<number>(), refresh: new Set<number>() };
  const read = async (lane: WheelLane, consistency: "strong" | "eventual"): Promise<ReadonlySet<number>> => {
    const item = await connection.get<PeriodsItem>(periodsAt(lane), consistency);
    for (const step of item?.steps ?? []) if (soundSlot(step, 0)) known[lane].add(step);
    return known[lane];
  };
  return {
    all: async (lane) => [...(await read(lane, "strong"))].sort((a, b) => a - b),
    use: async (lane, period) => {
      if (known[lane].has(period) || (await read(lane, "eventual")).has(period)) return;
      await connection.addToSet(periodsAt(lane), "steps", period);
      known[lane].add(period);
    },
  };
}
