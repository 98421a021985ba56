import type { EpochMs } from "../../clock.ts";
import type { Connection } from "./connection.ts";
import type { ItemKey } from "./table.ts";

/** When audit lines of a Vault last came, for Vaults whose silence means something. */
export interface HeardTimes {
  heardAt(vault: string): Promise<EpochMs | undefined>;
  noteHeard(vault: string, at: EpochMs): Promise<void>;
}

function heardItem(vault: string): ItemKey {
  return { pk: "heard", sk: vault };
}

export function heardTimes(connection: Connection): HeardTimes {
  return {
    heardAt: async (vault) => {
      connection.count("heardAt");
      const item = await connection.get<{ readonly heardAt: EpochMs }>(heardItem(vault), "eventual");
      return item?.heardAt;
    },
    noteHeard: async (vault, at) => {
      connection.count("noteHeard");
      await connection.put({ ...heardItem(vault), heardAt: at });
    },
  };
}
