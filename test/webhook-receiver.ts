import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { waitFor } from "./harness/index.ts";

export interface ReceivedPost {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/** A CloudEvent as a receiver reads it. */
export interface ReceivedEvent {
  readonly id: string;
  readonly type: string;
  readonly source: string;
  readonly subject: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Receives domain events, and answers as a test says: 204 otherwise. */
export interface WebhookReceiver extends AsyncDisposable {
  readonly url: string;
  readonly posts: readonly ReceivedPost[];
  events(): readonly ReceivedEvent[];
  /** Resolves when these have arrived. */
  eventsThat(isEnough: (events: readonly ReceivedEvent[]) => boolean): Promise<readonly ReceivedEvent[]>;
  answer(how: ((response: ServerResponse) => void) | undefined): void;
  close(): Promise<void>;
}

export async function startReceiver(): Promise<WebhookReceiver> {
  const posts: ReceivedPost[] = [];
  const accepted: ReceivedEvent[] = [];
  let answer: ((response: ServerResponse) => void) | undefined;
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request);
    posts.push({ path: request.url ?? "", headers: request.headers, body });
    if (answer !== undefined) return answer(response);
    accepted.push(...(JSON.parse(body.toString()) as ReceivedEvent[]));
    response.writeHead(204).end();
  };
  const server = createServer((request, response) => {
    // The sender may be killed in the middle of a POST.
    receive(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    posts,
    events: () => accepted,
    eventsThat: (isEnough) => waitFor("domain events", async () => isEnough(accepted) && accepted),
    answer(how) {
      answer = how;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
