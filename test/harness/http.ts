import { Agent, request } from "undici";

/** How a test speaks to a server of the harness: its CA, a client certificate or a token. */
export interface HttpIdentity {
  readonly caPem?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
}

export interface HttpOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds; 30,000 when not given. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface HttpAnswer<T = unknown> {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The parsed body, `undefined` when it is empty or not JSON; of the shape that the caller says, unchecked. */
  readonly body: T;
}

/** One server's HTTP side: a small pool of connections with its TLS. Answers of any status are returned, never thrown. */
export interface HttpClient {
  send<T = unknown>(method: string, path: string, body?: unknown, options?: HttpOptions): Promise<HttpAnswer<T>>;
  close(): Promise<void>;
}

/** As long as a whole request may take: a busy machine may need seconds for TLS, and nobody waits for a refusal. */
const CONNECT_TIMEOUT_MS = 30_000;

export function httpClient(origin: string, identity: HttpIdentity = {}): HttpClient {
  const { caPem, cert, key, token } = identity;
  const connect = { ...(caPem && { ca: caPem }), ...(cert && { cert }), ...(key && { key }) };
  const agent = new Agent({
    connect: { ...connect, timeout: CONNECT_TIMEOUT_MS },
    connections: 16,
    keepAliveTimeout: 1_000,
  });
  return {
    async send<T>(method: string, path: string, body?: unknown, options: HttpOptions = {}) {
      const answer = await request(new URL(path, origin), {
        method: method as "GET",
        dispatcher: agent,
        headers: {
          accept: "application/json",
          ...(body !== undefined && { "content-type": "application/json" }),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...options.headers,
        },
        body: body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body),
        signal: AbortSignal.any([
          AbortSignal.timeout(options.timeoutMs ?? 30_000),
          ...(options.signal ? [options.signal] : []),
        ]),
      });
      const text = await answer.body.text();
      return { status: answer.statusCode, headers: answer.headers, text, body: parse(text) as T };
    },
    close: () => agent.destroy(),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
