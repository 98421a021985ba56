import { parseKey, type SyncKey } from "../../keys.ts";
import type { StoredToken, TokenStore } from "../../ports/tokens.ts";
import type { TokenScope } from "../../token-scope.ts";
import type { Connection } from "./connection.ts";

interface TokenRecord {
  readonly scope: TokenScope;
  readonly id: string;
  readonly sync: SyncKey | null;
  readonly circuit: string;
  readonly serial: string;
  readonly sealed: string;
  readonly ends_at: number;
}

/** Tokens that each process leaves to the next one. */
export interface SqliteTokens extends TokenStore {
  /** Deletes all tokens; returns their number. */
  clearTokens(): Promise<number>;
}

/** Encrypted shared Vault tokens. Those of issues are stored in their rows. */
export function tokenStore(connection: Connection): SqliteTokens {
  const one = connection.one<TokenRecord>("SELECT * FROM token WHERE scope = :scope AND id = :id");
  const ofScope = connection.all<TokenRecord>("SELECT * FROM token WHERE scope = :scope");
  const all = connection.all<TokenRecord>("SELECT * FROM token");
  const put = connection.write(`
    INSERT INTO token (scope, id, sync, circuit, serial, sealed, ends_at)
    VALUES (:scope, :id, :by, :circuit, :serial, :sealed, :endsAt)
    ON CONFLICT (scope, id) DO UPDATE SET sync = excluded.sync, circuit = excluded.circuit, serial = excluded.serial,
      sealed = excluded.sealed, ends_at = excluded.ends_at
    WHERE serial = :replacing`);
  const remove = connection.write("DELETE FROM token WHERE scope = :scope AND id = :id AND serial = :serial");
  const clear = connection.write("DELETE FROM token");
  const isSound = ({ sync, scope, id }: TokenRecord): boolean => {
    const isIt = sync === null ? scope === "fleet" : parseKey(sync) !== undefined;
    if (!isIt) connection.damaged(`token ${id}`);
    return isIt;
  };
  return {
    token: (scope, id) =>
      connection.read("token", () => {
        const record = one({ scope, id });
        return record && isSound(record) ? tokenOf(record) : undefined;
      }),
    tokens: (scope) =>
      connection.read("tokens", () =>
        (scope === undefined ? all({}) : ofScope({ scope })).filter(isSound).map(tokenOf),
      ),
    putToken: ({ by = null, ...token }, replacing) =>
      connection.change("putToken", () => put({ by, ...token, replacing: replacing ?? "" }) === 1),
    removeToken: ({ id, scope, serial }) => connection.change("removeToken", () => remove({ scope, id, serial }) === 1),
    clearTokens: () => connection.change("clearTokens", () => clear({})),
  };
}

function tokenOf({ id, scope, sync, circuit, serial, sealed, ends_at: endsAt }: TokenRecord): StoredToken {
  return { id, scope, ...(sync === null ? {} : { by: sync }), circuit, serial, sealed, endsAt };
}
