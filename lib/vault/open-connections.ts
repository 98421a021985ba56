import { type Clock, type EpochMs, MINUTE_MS } from "../clock.ts";
import type { VaultTarget } from "../ports/vault.ts";
import type { Asked } from "./asked.ts";
import { type Connection, type ConnectionOptions, connect } from "./connection.ts";
import { connectionKey } from "./connection-key.ts";

/**
 * A connection that is idle for so long is closed: a new CA or a deleted VaultConnection may have ended its TLS
 * settings.
 */
const IDLE_MS = 10 * MINUTE_MS;

/** After this many requests in a row without an answer the connections may be broken, and are replaced. */
const MAX_UNANSWERED = 16;

/** The maximum number of connections in memory: each VaultConnection may have its own settings. */
const MAX_KEPT = 1_000;

/** Of all their keys in memory: each has the CA bundle of its settings, which a tenant may have written. */
const MAX_KEY_CHARS = 32 * 1_024 * 1_024;

export interface OpenConnection extends Connection {
  usedAt: EpochMs;
  hasAnswered?: boolean;
  /** Requests in a row without an answer. */
  unanswered: number;
}

/** The connections of a client: one set for each address and TLS settings. */
export interface OpenConnections {
  /** Opens them if there are none. */
  of(target: VaultTarget, asked: Asked): OpenConnection;
  answered(connection: OpenConnection): void;
  /** A request over these connections failed. */
  unanswered(target: VaultTarget, connection: OpenConnection): void;
  /** Running requests fail. */
  close(): Promise<void>;
}

export function openConnections(options: ConnectionOptions & { readonly clock: Clock }): OpenConnections {
  const { clock } = options;
  const all = new Map<string, OpenConnection>();
  return {
    of(target, asked) {
      const key = connectionKey(target);
      const known = all.get(key);
      if (known === undefined) closeIdle(all, clock());
      const connection = known ?? { ...connect(target, asked, options), usedAt: 0, unanswered: 0 };
      connection.usedAt = clock();
      // Keeps the most recently used one last.
      all.delete(key);
      all.set(key, connection);
      return connection;
    },
    answered(connection) {
      connection.hasAnswered = true;
      connection.unanswered = 0;
    },
    unanswered(target, connection) {
      connection.unanswered += 1;
      if (connection.unanswered >= MAX_UNANSWERED) replace(all, connectionKey(target), connection);
    },
    async close() {
      const open = [...all.values()];
      all.clear();
      await Promise.all(open.map(({ agents }) => agents.destroy()));
    },
  };
}

function closeIdle(connections: Map<string, OpenConnection>, now: EpochMs): void {
  let tooMany = connections.size - MAX_KEPT + 1;
  let tooLong = [...connections.keys()].reduce((sum, { length }) => sum + length, 0) - MAX_KEY_CHARS;
  for (const [key, { agents, usedAt }] of connections) {
    if (tooMany <= 0 && tooLong <= 0 && now - usedAt < IDLE_MS) continue;
    tooMany -= 1;
    tooLong -= key.length;
    connections.delete(key);
    // Running requests end first.
    agents.close().catch(() => {});
  }
}

/** The next request opens new connections. Running requests keep theirs for as long as a request may take. */
function replace(connections: Map<string, OpenConnection>, key: string, open: OpenConnection): void {
  if (connections.get(key) !== open) return;
  connections.delete(key);
  const end = (): void => void open.agents.destroy().catch(() => {});
  setTimeout(end, MINUTE_MS).unref();
}
