import { type EpochMs, SECOND_MS } from "../../clock.ts";
import { parseKey, partsOf, type SyncKey } from "../../keys.ts";
import type { StoredToken, TokenStore } from "../../ports/tokens.ts";
import { isTime } from "../stored.ts";
import { all, either, itemExists, itemIsAbsent, tokenSerialIsStill } from "./conditions.ts";
import type { Connection } from "./connection.ts";
import { type ItemKey, TOKENS } from "./table.ts";

interface TokenItem {
  readonly sk: string;
  readonly syncKey: SyncKey;
  readonly circuit: string;
  readonly tokenSerial: string;
  readonly sealed: string;
  readonly endsAt: EpochMs;
}

function tokenAt(cluster: string, id: string): ItemKey {
  return { pk: TOKENS, sk: `${cluster}/${id}` };
}

/** Vault tokens, encrypted, in a partition of their own: its attributes are in no index. */
export function tokenStore(connection: Connection): TokenStore {
  return {
    token: async (cluster, id) => {
      connection.count("token");
      const item = await connection.get<TokenItem>(tokenAt(cluster, id), "strong");
      return item && isSound(connection, item) ? tokenOf(item) : undefined;
    },
    tokens: async (cluster) => {
      connection.count("tokens");
      const startsWith = cluster === undefined ? {} : { startsWith: ["sk", `${cluster}/`] as const };
      const found = await connection.query<TokenItem>({ partition: ["pk", TOKENS], ...startsWith });
      return found.filter((item) => isSound(connection, item)).map(tokenOf);
    },
    putToken: ({ id, by, circuit, serial, sealed, endsAt }, replacing) => {
      connection.count("putToken");
      const at = tokenAt(partsOf(by).cluster, id);
      // DynamoDB forgets it by itself some time after its end.
      const times = { endsAt, expiresAt: Math.ceil(endsAt / SECOND_MS) };
      const item = { ...at, syncKey: by, circuit, tokenSerial: serial, sealed, ...times };
      return connection.put(
        item,
        replacing === undefined ? itemIsAbsent : either(itemIsAbsent, tokenSerialIsStill(replacing)),
      );
    },
    removeToken: async ({ id, by, serial }) => {
      connection.count("removeToken");
      const at = tokenAt(partsOf(by).cluster, id);
      return (await connection.remove(at, all(itemExists, tokenSerialIsStill(serial)))).holds;
    },
  };
}

function isSound({ damaged }: Connection, { sk, syncKey, endsAt }: TokenItem): boolean {
  const isIt = typeof syncKey === "string" && parseKey(syncKey) !== undefined && isTime(endsAt);
  if (!isIt) damaged(`token ${sk}`);
  return isIt;
}

function tokenOf({ sk, syncKey: by, circuit, tokenSerial: serial, sealed, endsAt }: TokenItem): StoredToken {
  return { id: sk.slice(sk.indexOf("/") + 1), by, circuit, serial, sealed, endsAt };
}
