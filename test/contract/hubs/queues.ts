import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** A stand-in for SQS that takes messages and keeps them. */
export interface StandInQueues extends AsyncDisposable {
  readonly endpoint: string;
  /** The bodies since the last call, by the queue's name. */
  taken(): Readonly<Record<string, readonly string[]>>;
}

interface SendBatch {
  readonly QueueUrl: string;
  readonly Entries: readonly { readonly Id: string; readonly MessageBody: string }[];
}

export async function standInQueues(): Promise<StandInQueues> {
  let taken: Record<string, string[]> = {};
  const server = createServer(async (asked, answer) => {
    const { QueueUrl, Entries = [] } = JSON.parse(await text(asked)) as SendBatch;
    const name = QueueUrl.split("/").at(-1) ?? "";
    taken[name] = [...(taken[name] ?? []), ...Entries.map(({ MessageBody }) => MessageBody)];
    const Successful = Entries.map(({ Id, MessageBody }) => ({
      Id,
      MessageId: Id,
      MD5OfMessageBody: createHash("md5").update(MessageBody).digest("hex"),
    }));
    answer.writeHead(200, { "content-type": "application/x-amz-json-1.0" });
    const attributes = { ApproximateNumberOfMessages: "0", ApproximateNumberOfMessagesNotVisible: "0" };
    answer.end(JSON.stringify({ Successful, Failed: [], Attributes: attributes }));
  });
  // No idle connection is closed just when its next request comes.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    taken() {
      const now = taken;
      taken = {};
      return now;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
