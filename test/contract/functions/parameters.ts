import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A stand-in for the Parameter Store, where every parameter holds the same key. */
export interface StandInParameters extends AsyncDisposable {
  readonly endpoint: string;
}

export async function standInParameters(): Promise<StandInParameters> {
  const Value = randomBytes(32).toString("base64");
  const server = createServer((asked, answer) => {
    asked.resume();
    answer.writeHead(200, { "content-type": "application/x-amz-json-1.1" });
    answer.end(JSON.stringify({ Parameter: { Name: "key", Type: "SecureString", Value } }));
  });
  // No idle connection is closed just when its next request comes.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
