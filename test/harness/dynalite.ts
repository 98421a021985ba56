import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DynamoDBClient,
  waitUntilTableExists,
} from "@aws-sdk/client-dynamodb";

import { openDynalite, type Store } from "./dynalite/dynalite-parts.ts";
import { leaseTable } from "./dynalite/lease-table.ts";
import { type TransactRequest, transactWriteItems } from "./dynalite/transact.ts";

/** A DynamoDB API in this process, in memory. */
export interface Dynalite extends AsyncDisposable {
  readonly endpoint: string;
  /** A client of it; it ends with the server. */
  readonly client: DynamoDBClient;
  /** Makes an empty table as infra/table.yml describes it; answers its name. */
  createTable(): Promise<string>;
}

/** What any DynamoDB API but AWS's accepts. */
export const TEST_CREDENTIALS = { accessKeyId: "test", secretAccessKey: "test" };

/** Starts dynalite, with what it lacks of the API: transactions, the items of lost conditions, the units of indexes. */
export async function startDynalite(): Promise<Dynalite> {
  const { handler, store } = openDynalite(leaseTable().GlobalSecondaryIndexes ?? []);
  const server = createServer((request, response) => {
    const isOurs = String(request.headers["x-amz-target"]).endsWith(".TransactWriteItems");
    if (isOurs) void transact(store, request, response);
    else handler(request, response);
  });
  // No idle connection is closed just when its next request comes.
  server.keepAliveTimeout = 0;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new DynamoDBClient({ region: "us-east-1", endpoint, credentials: TEST_CREDENTIALS });
  let tables = 0;
  return {
    endpoint,
    client,
    createTable: async () => {
      const name = `leases-${++tables}`;
      await createTable(client, { ...leaseTable(), TableName: name });
      return name;
    },
    [Symbol.asyncDispose]: async () => {
      client.destroy();
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Makes a table and waits until it is there: whoever is fast meets one that is still being made, which is as none. */
export async function createTable(client: DynamoDBClient, input: CreateTableCommandInput): Promise<void> {
  await client.send(new CreateTableCommand(input));
  const often = { client, maxWaitTime: 30, minDelay: 0.01, maxDelay: 0.1 };
  await waitUntilTableExists(often, { TableName: input.TableName });
}

async function transact(store: Store, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = await answerTo(store, await text(request));
  response.writeHead(answer.status, { "content-type": "application/x-amz-json-1.0" }).end(JSON.stringify(answer.body));
}

async function answerTo(store: Store, body: string): Promise<{ readonly status: number; readonly body: unknown }> {
  try {
    return { status: 200, body: await transactWriteItems(store, JSON.parse(body) as TransactRequest) };
  } catch (error) {
    if (error instanceof Error && "statusCode" in error && "body" in error) {
      return { status: Number(error.statusCode), body: error.body };
    }
    return { status: 500, body: { __type: "InternalServerError", message: String(error) } };
  }
}
