import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What becomes of a request: it is passed on, held for ever, or answered by the gateway itself. */
export type Passage =
  | "pass"
  | "hold"
  | { readonly status: number; readonly body?: string }
  | { readonly afterMs: number };

/** Something that stands before a Vault, as a proxy or a load balancer does, and does what the test says. */
export interface Gateway extends AsyncDisposable {
  readonly address: string;
  /** Judged anew for each request. */
  passage: (asked: IncomingMessage) => Passage;
  /** What was asked for so far: `GET /v1/…`. */
  readonly seen: readonly string[];
}

export async function gateway(to: string): Promise<Gateway> {
  const seen: string[] = [];
  const server = createServer((asked, answer) => {
    seen.push(`${asked.method} ${asked.url}`);
    const passage = it.passage(asked);
    if (passage === "hold") return;
    if (passage === "pass") return pass(to, asked, answer);
    if ("afterMs" in passage) return void setTimeout(() => pass(to, asked, answer), passage.afterMs);
    answer.writeHead(passage.status).end(passage.body ?? "");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const it: { -readonly [K in keyof Gateway]: Gateway[K] } = {
    address: `http://127.0.0.1:${port}`,
    passage: () => "pass",
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return it;
}

function pass(to: string, asked: IncomingMessage, answer: ServerResponse): void {
  const onward = request(new URL(asked.url ?? "/", to), { method: asked.method, headers: asked.headers }, (got) => {
    answer.writeHead(got.statusCode ?? 502, got.headers);
    got.pipe(answer);
  });
  onward.on("error", () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()));
  asked.on("error", () => onward.destroy());
  asked.pipe(onward);
}
