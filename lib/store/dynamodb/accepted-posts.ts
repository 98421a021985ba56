import { type EpochMs, SECOND_MS } from "../../clock.ts";
import { itemIsAbsent } from "./conditions.ts";
import type { Connection } from "./connection.ts";
import type { ItemKey } from "./table.ts";

/** POSTs that were accepted, so that another process does not accept them again. */
export interface AcceptedPosts {
  isKnown(vault: string, id: string): Promise<boolean>;
  /** DynamoDB deletes it some time after `until`. */
  remember(vault: string, id: string, until: EpochMs): Promise<void>;
}

function postAt(vault: string, id: string): ItemKey {
  return { pk: `post:${vault}`, sk: id };
}

export function acceptedPosts(connection: Connection): AcceptedPosts {
  return {
    isKnown: async (vault, id) => {
      connection.count("isKnownPost");
      return (await connection.get<object>(postAt(vault, id), "strong")) !== undefined;
    },
    remember: async (vault, id, until) => {
      connection.count("rememberPost");
      await connection.put({ ...postAt(vault, id), expiresAt: Math.ceil(until / SECOND_MS) }, itemIsAbsent);
    },
  };
}
