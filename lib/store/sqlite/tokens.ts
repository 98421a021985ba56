import { parseKey, partsOf, type SyncKey } from "../../keys.ts";
import type { StoredToken, TokenStore } from "../../ports/tokens.ts";
import type { Connection } from "./connection.ts";

interface TokenRecord {
  readonly id: string;
  readonly sync: SyncKey;
  readonly circuit: string;
  readonly serial: string;
  readonly sealed: string;
  readonly ends_at: number;
}

/** Tokens of one process after the other. */
export interface SqliteTokens extends TokenStore {
  /** Forgets all of them; answers how many. */
  clearTokens(): Promise<number>;
}

/** Vault tokens, encrypted. */
export function tokenStore(connection: Connection): SqliteTokens {
  const one = connection.one<TokenRecord>("SELECT * FROM token WHERE cluster = :cluster AND id = :id");
  const ofCluster = connection.all<TokenRecord>("SELECT * FROM token WHERE cluster = :cluster");
  const all = connection.all<TokenRecord>("SELECT * FROM token");
  const put = connection.write(`
    INSERT INTO token (cluster, id, sync, circuit, serial, sealed, ends_at)
    VALUES (:cluster, :id, :by, :circuit, :serial, :sealed, :endsAt)
    ON CONFLICT (cluster, id) DO UPDATE SET sync = excluded.sync, circuit = excluded.circuit, serial = excluded.serial,
      sealed = excluded.sealed, ends_at = excluded.ends_at
    WHERE serial = :replacing`);
  const remove = connection.write("DELETE FROM token WHERE cluster = :cluster AND id = :id AND serial = :serial");
  const clear = connection.write("DELETE FROM token");
  const isSound = ({ sync, id }: TokenRecord): boolean => {
    const isIt = parseKey(sync) !== undefined;
    if (!isIt) connection.damaged(`token ${id}`);
    return isIt;
  };
  return {
    token: (cluster, id) =>
      connection.read("token", () => {
        const record = one({ cluster, id });
        return record && isSound(record) ? tokenOf(record) : undefined;
      }),
    tokens: (cluster) =>
      connection.read("tokens", () =>
        (cluster === undefined ? all({}) : ofCluster({ cluster })).filter(isSound).map(tokenOf),
      ),
    putToken: ({ by, ...token }, replacing) =>
      connection.change(
        "putToken",
        () => put({ cluster: partsOf(by).cluster, by, ...token, replacing: replacing ?? "" }) === 1,
      ),
    removeToken: ({ id, by, serial }) =>
      connection.change("removeToken", () => remove({ cluster: partsOf(by).cluster, id, serial }) === 1),
    clearTokens: () => connection.change("clearTokens", () => clear({})),
  };
}

function tokenOf({ id, sync: by, circuit, serial, sealed, ends_at: endsAt }: TokenRecord): StoredToken {
  return { id, by, circuit, serial, sealed, endsAt };
}
