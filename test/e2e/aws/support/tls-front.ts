import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { testCa } from "../../../harness/certificates.ts";
import type { Ministack } from "../../../harness/index.ts";

/** What AWS has before each function URL: TLS. MiniStack serves function URLs without it. */
export interface TlsFront extends AsyncDisposable {
  readonly url: string;
  readonly caPem: string;
  /** The paths of requests so far. */
  readonly paths: readonly string[];
}

/** Passes requests on to a function URL, as the host in its name has it. */
export async function startTlsFront({ url }: Ministack, functionUrl: string): Promise<TlsFront> {
  const [id = ""] = new URL(functionUrl).hostname.split(".");
  const ca = await testCa("front");
  const paths: string[] = [];
  const server = createServer(await ca.serverCert("127.0.0.1", ["127.0.0.1"]), (request, response) => {
    paths.push(request.url ?? "");
    const pass = async (): Promise<void> => {
      const { "content-type": type = "" } = request.headers;
      const answer = await fetch(`${url}/_aws/lambda-url/${id}${request.url}`, {
        method: request.method ?? "GET",
        headers: { "content-type": type },
        ...(request.method === "POST" ? { body: await buffer(request) } : {}),
      });
      const body = Buffer.from(await answer.arrayBuffer());
      response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" }).end(body);
    };
    pass().catch(() => response.writeHead(502).end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    caPem: ca.pem,
    paths,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
