import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

/** A DynamoDB API that throttles as AWS does; what it lets through is answered by another one. */
export interface Throttling extends AsyncDisposable {
  readonly endpoint: string;
  /** So many requests from now on are refused. */
  next: number;
  /** Batches are answered with nothing of what was asked for: all of it is left out. */
  leavesOut: boolean;
  /** Requests that were refused. */
  readonly refused: number;
}

const TYPE = { "content-type": "application/x-amz-json-1.0" };
const REFUSAL = JSON.stringify({
  __type: "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
  message: "The level of configured provisioned throughput for the table was exceeded.",
});

export async function throttling(target: string): Promise<Throttling> {
  let refused = 0;
  const self = { next: 0, leavesOut: false };
  const server = createServer((incoming, response) => {
    if (self.next > 0) {
      self.next--;
      refused++;
      incoming.resume();
      response.writeHead(400, TYPE).end(REFUSAL);
      return;
    }
    const { method, headers } = incoming;
    if (self.leavesOut && String(headers["x-amz-target"]).endsWith(".BatchGetItem")) {
      refused++;
      void leaveOut(incoming, response);
      return;
    }
    const passed = request(target, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    passed.on("error", () => response.destroy());
    incoming.pipe(passed);
  });
  // No idle connection is closed just when its next request comes: the client would repeat it.
  server.keepAliveTimeout = 0;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.defineProperties(self, {
    endpoint: { value: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    refused: { get: () => refused },
    [Symbol.asyncDispose]: {
      value: async () => {
        server.closeAllConnections();
        await new Promise((done) => server.close(done));
      },
    },
  }) as Throttling;
}

async function leaveOut(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const { RequestItems } = (await json(incoming)) as { readonly RequestItems: object };
  response.writeHead(200, TYPE).end(JSON.stringify({ Responses: {}, UnprocessedKeys: RequestItems }));
}
