import type { EpochMs } from "../../clock.ts";
import type { GoodFleets } from "../../ports/good-fleets.ts";
import { either, itemIsAbsent, notedAtIsAtMost } from "./conditions.ts";
import type { Connection } from "./connection.ts";
import type { ItemKey } from "./table.ts";

interface GoodFleetItem {
  readonly objectVersion: string;
  readonly notedAt: EpochMs;
}

function goodFleetAt(place: string): ItemKey {
  return { pk: "good-fleet", sk: place };
}

export function goodFleets(connection: Connection): GoodFleets {
  return {
    noted: async (place) => {
      connection.count("notedFleet");
      return (await connection.get<GoodFleetItem>(goodFleetAt(place), "strong"))?.objectVersion;
    },
    note: async (place, { id, at }) => {
      connection.count("noteFleet");
      const item = { ...goodFleetAt(place), objectVersion: id, notedAt: at };
      await connection.put(item, either(itemIsAbsent, notedAtIsAtMost(at)));
    },
  };
}
