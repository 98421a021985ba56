import { isIPv6, type Socket } from "node:net";
import { FairPool } from "./fair-pool.ts";

/** Connections of the webhook's listener, so that one client cannot take those of others. */
export interface Connections {
  /** A connection was opened. */
  opened(socket: Socket): void;
  /**
   * A request with the key of a cluster came over this connection. The answer: call it when the request is over; undefined:
   * the connection has closed. `end` is called then, or when the connection closes before: once.
   */
  used(socket: Socket, cluster: string, end: () => void): (() => void) | undefined;
}

export interface ConnectionLimits {
  /** Connections over which no key came yet. They end within seconds. */
  readonly strangers: number;
  /** Connections of API servers: each of them has a few, and keeps them. */
  readonly known: number;
}

export interface ConnectionOptions {
  readonly limits: ConnectionLimits;
  /** A connection is closed in favour of another one. */
  readonly onDropped: (whose: "stranger" | "cluster") => void;
}

interface Connection {
  readonly socket: Socket;
  readonly peer: string;
  /** Undefined: no key came yet. */
  cluster?: string;
  /** Of its requests under way. */
  readonly ends: Set<() => void>;
}

/**
 * Strangers share by their address, and API servers by the cluster whose key they have: behind a load balancer all of
 * them have the same address.
 */
export function connections({ limits, onDropped }: ConnectionOptions): Connections {
  const open = new Map<string, Connection>();
  const strangers = new FairPool<Connection>(limits.strangers, () => true);
  const known = new FairPool<Connection>(limits.known, ({ ends }) => ends.size === 0);
  const drop = (loser: Connection | undefined): void => {
    if (loser === undefined) return;
    onDropped(loser.cluster === undefined ? "stranger" : "cluster");
    loser.socket.destroy();
  };
  return {
    opened(socket) {
      const connection: Connection = { socket, peer: peerOf(socket.remoteAddress ?? ""), ends: new Set() };
      const name = nameOf(socket);
      open.set(name, connection);
      socket.once("close", () => {
        if (open.get(name) === connection) open.delete(name);
        strangers.remove(connection.peer, connection);
        known.remove(connection.cluster ?? "", connection);
        // Answers that wait behind another one on this connection never hear of its end.
        for (const over of connection.ends) over();
      });
      drop(strangers.use(connection.peer, connection));
    },
    used(socket, cluster, end) {
      const connection = open.get(nameOf(socket));
      if (connection === undefined) return undefined;
      strangers.remove(connection.peer, connection);
      if (connection.cluster !== cluster) known.remove(connection.cluster ?? "", connection);
      connection.cluster = cluster;
      const over = (): void => {
        if (connection.ends.delete(over)) end();
      };
      connection.ends.add(over);
      drop(known.use(cluster, connection));
      return over;
    },
  };
}

/** The socket of a request is that of TLS, which has another object for the same connection. */
function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Whoever has one IPv6 address has a network of 64 bits of them. */
export function peerOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? [];
  if (mapped !== undefined) return mapped;
  const [head = "", tail = ""] = address.toLowerCase().split("%")[0]?.split("::") ?? [];
  const [left, right] = [head, tail].map((part) => (part === "" ? [] : part.split(":")));
  const missing = address.includes("::") ? 8 - (left?.length ?? 0) - (right?.length ?? 0) : 0;
  const all = [...(left ?? []), ...Array.from({ length: missing }, () => "0"), ...(right ?? [])];
  return `${all.slice(0, 4).join(":")}::/64`;
}
