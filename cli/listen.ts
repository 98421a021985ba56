import { type ServerType, serve } from "@hono/node-server";
import { Hono } from "hono";
import type { Registry } from "prom-client";
import type { Sight } from "../lib/embedded/engine.ts";
import { InputError, SyncError } from "../lib/errors.ts";

export interface Health {
  /** Whether every cluster's declarations were read at least once. */
  readonly isReady: () => boolean;
  readonly sight: () => Promise<Sight>;
  readonly registry: Registry;
}

/** `host:port`; port 0 takes a free one. */
function parseAddress(text: string): { hostname: string; port: number } {
  const match = /^(?<host>.*):(?<port>\d{1,5})$/.exec(text);
  const port = Number(match?.groups?.port);
  const hostname = (match?.groups?.host ?? "").replace(/^\[|\]$/g, "");
  if (!match || port > 65_535) {
    throw new InputError("--listen", [`${text} is not host:port, for example 127.0.0.1:9464, or none`]);
  }
  return { hostname: hostname || "127.0.0.1", port };
}

/** Ready while at least one cluster is in sight, so that one lost cluster does not stop the engine for the others. */
async function readiness({ isReady, sight }: Health): Promise<{ readonly isReady: boolean; readonly says: string }> {
  if (!isReady()) return { isReady: false, says: "keyferry has not tried to read every cluster yet" };
  try {
    const { clusters, outOfSight } = await sight();
    if (outOfSight.length === 0) return { isReady: true, says: "ok" };
    const names = outOfSight.join(", ");
    if (outOfSight.length === clusters.length) return { isReady: false, says: `no cluster can be read: ${names}` };
    return { isReady: true, says: `ok, except for clusters that cannot be read: ${names}` };
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    return { isReady: false, says: `the lease table cannot be read: ${error.code}` };
  }
}

export interface Listening extends AsyncDisposable {
  readonly url: string;
}

/** Serves /healthz, /readyz and /metrics. `none` serves nothing. */
export async function listen(address: string, health: Health): Promise<Listening | undefined> {
  if (address === "none") return undefined;
  const { hostname, port } = parseAddress(address);
  const app = new Hono();
  app.get("/healthz", (c) => c.text("ok\n"));
  app.get("/readyz", async (c) => {
    const { isReady, says } = await readiness(health);
    return c.text(`${says}\n`, isReady ? 200 : 503);
  });
  app.get("/metrics", async (c) =>
    c.text(await health.registry.metrics(), 200, { "content-type": health.registry.contentType }),
  );
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const server: ServerType = serve({ fetch: app.fetch, hostname, port }, (info) =>
    resolve(`http://${hostname}:${info.port}`),
  );
  server.on("error", (error: NodeJS.ErrnoException) =>
    reject(new InputError("--listen", [`${address} cannot be used (${error.code}): choose another port, or none`])),
  );
  const url = await promise;
  return {
    url,
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      if ("closeAllConnections" in server) server.closeAllConnections();
      await closed.promise;
    },
  };
}
