import type { ListenOptions, Server } from "node:net";

/** Resolves when the server listens; rejects when it can't. */
export function listening(server: Server, where: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ ...where, exclusive: true }, () => {
      server.off("error", reject);
      // Of a single connection that could not be accepted.
      server.on("error", () => undefined);
      resolve();
    });
  });
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
