import { createServer, type Socket } from "node:net";
import { standInPort } from "./stand-ins.ts";
import { aStaticSecret } from "./world.ts";

/** A server that accepts every connection and never says a word. */
export interface SilentPort extends AsyncDisposable {
  readonly address: string;
  /** Connections that are open now. */
  readonly open: number;
}

export async function silentPort(): Promise<SilentPort> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
  });
  const port = await standInPort();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${port}`,
    get open() {
      return sockets.size;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What one namespace may declare: so many connections to this address, each with a login and a sync of its own. */
export function noisyDeclarations(namespace: string, address: string, count: number): readonly object[] {
  const apiVersion = "secrets.hashicorp.com/v1beta1";
  return Array.from({ length: count }, (_, at) => {
    const name = `noisy-${at}`;
    const metadata = { name, namespace };
    return [
      { apiVersion, kind: "VaultConnection", metadata, spec: { address, timeout: "60s" } },
      {
        apiVersion,
        kind: "VaultAuth",
        metadata,
        spec: {
          vaultConnectionRef: name,
          method: "kubernetes",
          mount: "kubernetes",
          kubernetes: { role: "app", serviceAccount: "app" },
        },
      },
      aStaticSecret(namespace, name, { vaultAuthRef: name }),
    ];
  }).flat();
}
