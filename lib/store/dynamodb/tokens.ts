import { type EpochMs, SECOND_MS } from "../../clock.ts";
import { parseKey, type SyncKey } from "../../keys.ts";
import type { StoredToken, TokenStore } from "../../ports/tokens.ts";
import { clusterOfScope, scopeOfCluster, type TokenScope } from "../../token-scope.ts";
import { isTime } from "../stored.ts";
import { either, itemIsAbsent, tokenSerialIsStill } from "./conditions.ts";
import type { Connection } from "./connection.ts";
import { type ItemKey, TOKENS } from "./table.ts";

interface TokenItem {
  readonly sk: string;
  /** Missing for the fleet's tokens. */
  readonly syncKey?: SyncKey;
  readonly circuit: string;
  readonly tokenSerial: string;
  readonly sealed: string;
  readonly endsAt: EpochMs;
}

/** Cluster and id; the fleet's name is not a valid cluster name. */
function tokenAt(scope: TokenScope, id: string): ItemKey {
  return { pk: TOKENS, sk: `${placeOfScope(scope)}/${id}` };
}

const FLEET = "*";

function placeOfScope(scope: TokenScope): string {
  return clusterOfScope(scope) ?? FLEET;
}

function scopeOf(sk: string): TokenScope {
  const place = sk.slice(0, sk.indexOf("/"));
  return place === FLEET ? "fleet" : scopeOfCluster(place);
}

/** Encrypted Vault tokens, in a partition without index attributes. */
export function tokenStore(connection: Connection): TokenStore {
  return {
    token: async (scope, id) => {
      connection.count("token");
      const item = await connection.get<TokenItem>(tokenAt(scope, id), "strong");
      return item && isSound(connection, item) ? tokenOf(item) : undefined;
    },
    tokens: async (scope) => {
      connection.count("tokens");
      const startsWith = scope === undefined ? {} : { startsWith: ["sk", `${placeOfScope(scope)}/`] as const };
      const found = await connection.query<TokenItem>({ partition: ["pk", TOKENS], ...startsWith });
      return found.filter((item) => isSound(connection, item)).map(tokenOf);
    },
    putToken: ({ id, scope, by, circuit, serial, sealed, endsAt }, replacing) => {
      connection.count("putToken");
      const at = tokenAt(scope, id);
      // DynamoDB deletes it some time after its end.
      const times = { endsAt, expiresAt: Math.ceil(endsAt / SECOND_MS) };
      const item = { ...at, syncKey: by, circuit, tokenSerial: serial, sealed, ...times };
      return connection.put(
        item,
        replacing === undefined ? itemIsAbsent : either(itemIsAbsent, tokenSerialIsStill(replacing)),
      );
    },
    removeToken: async ({ id, scope, serial }) => {
      connection.count("removeToken");
      const at = tokenAt(scope, id);
      return (await connection.remove(at, tokenSerialIsStill(serial))).holds;
    },
  };
}

function isSound({ damaged }: Connection, { sk, syncKey, endsAt }: TokenItem): boolean {
  const isOfSync = syncKey === undefined ? scopeOf(sk) === "fleet" : parseKey(syncKey) !== undefined;
  const isIt = isOfSync && isTime(endsAt);
  if (!isIt) damaged(`token ${sk}`);
  return isIt;
}

function tokenOf({ sk, syncKey: by, circuit, tokenSerial: serial, sealed, endsAt }: TokenItem): StoredToken {
  const id = sk.slice(sk.indexOf("/") + 1);
  return { id, scope: scopeOf(sk), ...(by === undefined ? {} : { by }), circuit, serial, sealed, endsAt };
}
