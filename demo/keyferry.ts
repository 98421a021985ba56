import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { httpProbe, reservePort, startServer } from "../test/harness/index.ts";

const KEYFERRY = fileURLToPath(new URL("../bin/keyferry.js", import.meta.url));

/** Running work may take 20 s to end. */
const STOP_MS = 25_000;
const OUTPUT_MS = 5_000;
const STATUS_MS = 60_000;

export interface Places {
  readonly fleetPath: string;
  readonly dataDir: string;
}

/** `keyferry run`, a process of its own as its users start it. */
export interface Keyferry extends AsyncDisposable {
  readonly url: string;
  /** What it printed last: JSON lines, never a secret. */
  output(): string;
  /** Ctrl-C; resolves with how many Vault tokens it gave back. */
  stop(): Promise<number>;
}

export async function startKeyferry({ fleetPath, dataDir }: Places): Promise<Keyferry> {
  await using started = new AsyncDisposableStack();
  const { port } = started.use(await reservePort());
  const url = `http://127.0.0.1:${port}`;
  const server = started.use(
    await startServer({
      name: "keyferry run",
      command: process.execPath,
      args: [KEYFERRY, "run", "--fleet", fleetPath, "--data-dir", dataDir, "--listen", `127.0.0.1:${port}`],
      ready: httpProbe(`${url}/readyz`),
    }),
  );
  const parts = started.move();
  return {
    url,
    output: () => server.output(),
    async stop() {
      const pid = server.pid();
      // To this process alone, as Ctrl-C reaches it: the harness would signal its whole group.
      if (pid !== undefined) process.kill(pid, "SIGINT");
      const endsAt = performance.now() + STOP_MS;
      while (server.pid() !== undefined) {
        if (performance.now() > endsAt) throw new Error(`keyferry did not stop within ${STOP_MS / 1_000} s`);
        await sleep(20);
      }
      // What a process wrote last may arrive after the news of its end.
      const readBy = performance.now() + OUTPUT_MS;
      while (toldRevoked(server.output()) === undefined && performance.now() < readBy) await sleep(20);
      return revoked(server.output());
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

function toldRevoked(output: string): string | undefined {
  return output.split("\n").find((text) => text.includes('"vault-tokens-revoked"') && text.endsWith("}"));
}

function revoked(output: string): number {
  const line = toldRevoked(output);
  if (line === undefined) throw new Error("keyferry stopped without giving its Vault tokens back");
  return Number((JSON.parse(line) as { revoked?: number }).revoked);
}

/** `keyferry status`: what it prints. Throws when it says that a sync has failed. */
export function statusOf({ fleetPath, dataDir }: Places): Promise<string> {
  const args = [KEYFERRY, "status", "--fleet", fleetPath, "--data-dir", dataDir];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { timeout: STATUS_MS }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`keyferry status ended with ${error.code ?? error.signal}\n${stdout}${stderr}`));
    });
  });
}
