import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** What becomes of a request: `swallow`: Vault carries it out, and its answer never comes. */
export type Fate = "pass" | "swallow";

/** Between keyferry and one Vault. What a client gives up goes on at the Vault nevertheless. */
export interface VaultProxy extends AsyncDisposable {
  readonly address: string;
  /** Requests are counted anew, from 1. `sent`: told when the Vault has the request. */
  follow(fate: (request: number) => Fate, sent?: (request: number) => void): void;
  /** Resolves when the Vault is at work on nothing. */
  idle(): Promise<void>;
}

export async function startProxy(target: string): Promise<VaultProxy> {
  const agent = new Agent({ keepAlive: true });
  const { hostname, port } = new URL(target);
  let [seen, atWork] = [0, 0];
  let fateOf: (request: number) => Fate = () => "pass";
  let onSent: (request: number) => void = () => undefined;
  let idle = Promise.withResolvers<void>();

  const ask = async (incoming: IncomingMessage, body: Buffer, sent: () => void): Promise<[IncomingMessage, Buffer]> => {
    const { method, url, headers } = incoming;
    const outgoing = request({ ...{ hostname, port, agent, method, path: url }, headers });
    outgoing.end(body, sent);
    const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
    return [answer, await buffer(answer)];
  };
  const pass = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(incoming);
    const at = ++seen;
    const fate = fateOf(at);
    atWork++;
    try {
      const [answer, text] = await ask(incoming, body, () => onSent(at));
      if (fate === "swallow") incoming.socket.destroy();
      else response.writeHead(answer.statusCode ?? 502, answer.headers).end(text);
    } catch {
      incoming.socket.destroy();
    } finally {
      if (--atWork === 0) idle.resolve();
    }
  };
  const server = createServer((incoming, response) => void pass(incoming, response).catch(() => undefined));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    follow(fate, sent = () => undefined) {
      seen = 0;
      fateOf = fate;
      onSent = sent;
    },
    async idle() {
      if (atWork === 0) return;
      idle = Promise.withResolvers();
      await idle.promise;
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
