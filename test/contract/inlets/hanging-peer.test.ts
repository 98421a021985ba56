import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { describe, it } from "node:test";
import { startVault, waitFor } from "../../harness/index.ts";
import { reservePort } from "../../harness/process/ports.ts";
import type { VaultFlavor } from "../../harness/vault/config-file.ts";

/** One that reads nothing until it goes on, as a process that hangs. */
async function hangingPeer(port: number) {
  const connections: { readonly socket: Socket; text: string }[] = [];
  let hangs = false;
  const server = createServer((socket) => {
    const one = { socket, text: "" };
    connections.push(one);
    socket.on("error", () => undefined).setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      one.text += chunk;
    });
    if (hangs) socket.pause();
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const all = (what: (socket: Socket) => unknown) => {
    for (const { socket } of connections) what(socket);
  };
  return {
    connections,
    hang() {
      hangs = true;
      all((socket) => socket.pause());
    },
    goOn() {
      hangs = false;
      all((socket) => socket.resume());
    },
    async [Symbol.asyncDispose]() {
      all((socket) => socket.destroy());
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Line {
  readonly type: string;
  readonly request: { readonly id: string; readonly path: string };
}
const idsIn = (text: string): readonly string[] =>
  text
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line) => JSON.parse(line) as Line)
    .filter(({ request }) => request.path.startsWith("kv/"))
    .map(({ type, request }) => `${type} ${request.id}`);

/** An inlet can't see a gap between two lines. So what is lost has to be shown by a new connection. */
describe("a socket device whose peer hangs and goes on", { timeout: 300_000 }, () => {
  for (const flavor of ["vault", "openbao"] as const satisfies readonly VaultFlavor[])
    it(`of ${flavor}: each line arrives, or a new connection is made after it`, async (t) => {
      await using port = await reservePort();
      await using peer = await hangingPeer(port.port);
      const device = { address: `127.0.0.1:${port.port}`, socket_type: "tcp" };
      await using vault = await startVault({ flavor, auditDevices: [{ type: "socket", options: device }] });
      await vault.enableKv("kv", 2);
      await vault.putKv("kv", "first", { password: "one" });
      await waitFor("a connection with lines", async () => peer.connections.some(({ text }) => text !== ""));
      const before = peer.connections.length;
      peer.hang();
      const large = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`key-${at}`, "x".repeat(1_000)]));
      let slowest = 0;
      for (let at = 0; at < 400 && slowest < 1_000; at++) {
        const startedAt = performance.now();
        await vault.putKv("kv", `while-it-hangs-${at}`, large);
        slowest = Math.max(slowest, performance.now() - startedAt);
      }
      peer.goOn();
      await vault.putKv("kv", "afterwards", { password: "two" });
      const arrived = () => new Set(peer.connections.flatMap(({ text }) => idsIn(text)));
      const written = idsIn(await readFile(vault.auditPath, "utf8"));
      const last = written.at(-1) ?? assert.fail("no lines");
      await waitFor("the last line", async () => arrived().has(last));
      const lost = written.filter((id) => !arrived().has(id));
      const made = peer.connections.length - before;
      t.diagnostic(
        `${flavor}: ${slowest.toFixed(0)} ms at most; ${lost.length} of ${written.length} lines lost, ${made} new connections`,
      );
      assert.ok(lost.length === 0 || made > 0, `${lost.length} lines are lost, and nothing shows it`);
    });
});
