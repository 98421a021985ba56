import { readFile, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Cluster } from "../test/harness/index.ts";

/** Stands between keyferry and an API server, and counts what the API server sends, TLS included. */
export interface ByteCounter extends AsyncDisposable {
  received(): number;
}

/** Changes the cluster's kubeconfig so that whoever uses it from then on is counted. */
export async function countBytes(cluster: Cluster): Promise<ByteCounter> {
  const { hostname, port } = new URL(cluster.url);
  const sockets = new Set<Socket>();
  let received = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket
        .on("error", () => undefined)
        .on("close", () => {
          sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
    }
    upstream.on("data", (chunk) => {
      received += chunk.length;
    });
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port: own } = server.address() as AddressInfo;
  const config = await readFile(cluster.kubeconfigPath, "utf8");
  await writeFile(cluster.kubeconfigPath, config.replaceAll(cluster.url, `https://127.0.0.1:${own}`));
  return {
    received: () => received,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
