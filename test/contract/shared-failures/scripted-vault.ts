import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A Vault of our own that counts what it is asked, and answers as the test says. */
export interface ScriptedVault extends AsyncDisposable {
  readonly address: string;
  /** Paths that can be read; another one is missing. */
  readonly paths: Set<string>;
  /** Paths that policies forbid. */
  readonly denied: Set<string>;
  /** Roles that may log in. */
  readonly roles: Set<string>;
  /** Requests since this was asked last. */
  asked(): { readonly logins: number; readonly reads: number };
}

export async function scriptedVault(): Promise<ScriptedVault> {
  const paths = new Set<string>();
  const denied = new Set<string>();
  const roles = new Set<string>();
  let counts = { logins: 0, reads: 0 };
  let tokens = 0;
  const login = (body: string): readonly [number, object] => {
    counts.logins += 1;
    const { role } = JSON.parse(body) as { role: string };
    if (!roles.has(role)) return [400, { errors: ["invalid role name"] }];
    tokens += 1;
    return [200, { auth: { client_token: `token-${tokens}`, renewable: true, lease_duration: 36_000 } }];
  };
  const read = (path: string): readonly [number, object] => {
    counts.reads += 1;
    if (denied.has(path)) return [403, { errors: ["permission denied"] }];
    if (!paths.has(path)) return [404, { errors: [] }];
    const metadata = { version: 1, created_time: "2026-01-01T00:00:00Z" };
    return [200, { data: { data: { password: "s3cr3t" }, metadata } }];
  };
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const { pathname } = new URL(request.url ?? "/", "http://vault");
    const isRead = pathname.startsWith("/v1/kv/data/");
    if (isRead) answer(response, read(pathname.slice("/v1/kv/data/".length)));
    else if (pathname.endsWith("/login")) answer(response, login(body));
    else answer(response, [204, {}]);
  });
  // No idle connection is closed just when its next request comes.
  server.keepAliveTimeout = 0;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    ...{ paths, denied, roles },
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked() {
      const before = counts;
      counts = { logins: 0, reads: 0 };
      return before;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function answer(response: ServerResponse, [status, body]: readonly [number, object]): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
