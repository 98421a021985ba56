import { createSocket } from "node:dgram";
import { createServer } from "node:net";

/** Below the range from which systems take the local ports of outgoing connections (Linux from 32768, others higher). */
const FIRST_PORT = 17_000;
const PORTS = 15_000;

/** A port that no other test process takes, even while the server on it is down. */
export interface ReservedPort extends AsyncDisposable {
  readonly port: number;
}

/**
 * Holds a port by its UDP side: our servers listen on TCP only, and the system frees the claim when this process ends,
 * so neither a race nor a stale lock file is possible between test processes that run side by side.
 */
export async function reservePort(random: () => number = Math.random): Promise<ReservedPort> {
  for (let tries = 0; tries < 200; tries++) {
    const port = FIRST_PORT + Math.floor(random() * PORTS);
    const release = await claim(port);
    if (release === undefined) continue;
    if (await isFree(port)) return { port, [Symbol.asyncDispose]: release };
    await release();
  }
  throw new Error(`no free port from ${FIRST_PORT} to ${FIRST_PORT + PORTS} in 200 tries`);
}

/** Reserves several ports, in order. */
export const reservePorts = (count: number): Promise<ReservedPort[]> =>
  Promise.all(Array.from({ length: count }, () => reservePort()));

function claim(port: number): Promise<(() => Promise<void>) | undefined> {
  const socket = createSocket("udp4");
  socket.unref();
  return new Promise((resolve) => {
    socket.once("error", () => resolve(undefined));
    socket.bind({ port, address: "127.0.0.1", exclusive: true }, () =>
      resolve(() => new Promise<void>((done) => socket.close(() => done()))),
    );
  });
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}
