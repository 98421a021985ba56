import { createServer, type ServerResponse } from "node:http";
import { standInPort } from "./stand-ins.ts";

/** A server at which a VaultConnection points by mistake, or a Vault that is out of its mind. Every login succeeds. */
export interface BrokenVault extends AsyncDisposable {
  readonly address: string;
  /** Reads that arrived. */
  readonly reads: number;
}

export async function brokenVault(answer: (response: ServerResponse) => void): Promise<BrokenVault> {
  let reads = 0;
  const server = createServer((request, response) => {
    if (request.url?.endsWith("/login")) return void json(response, login());
    if (!request.url?.includes("seal-status")) reads++;
    answer(response);
  });
  const port = await standInPort();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${port}`,
    get reads() {
      return reads;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function json(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function login(): object {
  return { auth: { client_token: "hvs.of-a-broken-vault", accessor: "a", lease_duration: 3_600, renewable: true } };
}
