import type { ListenOptions, Server } from "node:net";

/** What others may not do with a socket file. */
const OTHERS = 0o077;

/** Resolves when the server listens; rejects when it can't. A unix socket is for its owner alone until a chmod. */
export function listening(server: Server, where: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const listen = () =>
      server.listen({ ...where, exclusive: true }, () => {
        server.off("error", reject);
        // Of a single connection that could not be accepted.
        server.on("error", () => undefined);
        resolve();
      });
    if (where.path === undefined) listen();
    else forOwner(listen);
  });
}

/** Node makes the socket file within the call, so the umask is back before anything else of this process runs. */
function forOwner(listen: () => void): void {
  const before = process.umask(OTHERS);
  try {
    listen();
  } finally {
    process.umask(before);
  }
}

/** Resolves when the signal aborts. */
export function untilStopped(stop: AbortSignal): Promise<void> {
  if (stop.aborted) return Promise.resolve();
  return new Promise((resolve) => stop.addEventListener("abort", () => resolve(), { once: true }));
}

/** Resolves when the address is free, and all connections have ended. */
export function closing(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
