import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
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
export function parseAddress(text: string, option = "--listen"): { hostname: string; port: number } {
  const match = /^(?<host>.*):(?<port>\d{1,5})$/.exec(text);
  const port = Number(match?.groups?.port);
  const hostname = (match?.groups?.host ?? "").replace(/^\[|\]$/g, "");
  if (!match || port > 65_535) {
    throw new InputError(option, [`${text} is not host:port, for example 127.0.0.1:9464, or none`]);
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

interface Page {
  readonly status: number;
  readonly text: string;
  readonly type?: string;
}

const PAGES: Readonly<Record<string, (health: Health) => Promise<Page>>> = {
  "/healthz": async () => ({ status: 200, text: "ok\n" }),
  "/readyz": async (health) => {
    const { isReady, says } = await readiness(health);
    return { status: isReady ? 200 : 503, text: `${says}\n` };
  },
  "/metrics": async ({ registry }) => ({ status: 200, text: await registry.metrics(), type: registry.contentType }),
};
const NOT_FOUND: Page = { status: 404, text: "not found: there are /healthz, /readyz and /metrics\n" };
const FAILED: Page = { status: 500, text: "failed\n" };

async function pageOf(method: string | undefined, url: string | undefined, health: Health): Promise<Page> {
  const [path = ""] = (url ?? "").split("?");
  if ((method !== "GET" && method !== "HEAD") || !Object.hasOwn(PAGES, path)) return NOT_FOUND;
  return (await PAGES[path]?.(health).catch(() => FAILED)) ?? NOT_FOUND;
}

/** Serves /healthz, /readyz and /metrics by Node's own server: three pages need no framework. `none` serves nothing. */
export async function listen(address: string, health: Health): Promise<Listening | undefined> {
  if (address === "none") return undefined;
  const { hostname, port } = parseAddress(address);
  const server = createServer(async (request, response) => {
    const { status, text, type = "text/plain; charset=UTF-8" } = await pageOf(request.method, request.url, health);
    response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
    response.end(request.method === "HEAD" ? undefined : text);
  });
  await listening(server, address, { host: hostname, port });
  return {
    url: `http://${hostname}:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      server.closeAllConnections();
      await promise;
    },
  };
}

function listening(server: Server, address: string, where: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(new InputError("--listen", [`${address} cannot be used (${error.code}): choose another port, or none`])),
    );
    server.listen(where, resolve);
  });
}
