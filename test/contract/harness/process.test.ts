import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { waitFor } from "../../harness/cluster/kube-client.ts";
import { httpClient } from "../../harness/http.ts";
import { reservePort, reservePorts } from "../../harness/process/ports.ts";
import { startServer } from "../../harness/process/server.ts";
import { tempFolder } from "../../harness/process/temp-folder.ts";
import { helloServer } from "./hello-server.ts";

describe("a server of the harness", () => {
  it("answers when it is started, and is gone with its scope", async () => {
    await using port = await reservePort();
    let pid = 0;
    {
      await using server = await startServer(helloServer(port.port));
      pid = server.pid() ?? 0;
      assert.equal(await hello(port.port), "hello");
    }
    assert.equal(isAlive(pid), false);
  });

  it("that dies at its start is told from a slow one, with its last lines", async () => {
    await using port = await reservePort();
    await assert.rejects(
      startServer(helloServer(port.port, "dies")),
      /did not start: it ended with code 1[\s\S]*no such luck/,
    );
  });

  it("that is never ready is stopped, with its last lines in the error", async () => {
    await using port = await reservePort();
    await assert.rejects(
      startServer(helloServer(port.port, "silent")),
      /was not ready after 5 s[\s\S]*one line of output/,
    );
  });

  it("that cannot be run says so", async () => {
    const spec = { ...helloServer(1), command: "/nowhere/hello" };
    await assert.rejects(startServer(spec), /did not start: it ended with code 12\d[\s\S]*\/nowhere\/hello/);
  });

  it("that is deaf to SIGTERM is killed after the grace", async () => {
    await using port = await reservePort();
    await using server = await startServer(helloServer(port.port, "deaf"));
    const pid = server.pid() ?? 0;
    await server.stop();
    assert.equal(isAlive(pid), false);
  });

  it("comes back on its port after a stop and after a kill", async () => {
    await using port = await reservePort();
    await using server = await startServer(helloServer(port.port));
    await server.restart();
    await server.kill();
    assert.equal(server.pid(), undefined);
    await server.start();
    assert.equal(await hello(port.port), "hello");
  });

  it("that is paused answers nothing until it is resumed, and can be stopped while paused", async () => {
    await using port = await reservePort();
    await using server = await startServer(helloServer(port.port));
    server.pause();
    await assert.rejects(hello(port.port, 300), /time/i);
    server.resume();
    assert.equal(await hello(port.port), "hello");
    server.pause();
    await server.stop();
    assert.equal(server.pid(), undefined);
  });

  it("inherits no environment that a client library would read", async () => {
    process.env.VAULT_TOKEN = "of-the-developer";
    const spec = { ...helloServer(1), args: ["-e", "process.exit(process.env.VAULT_TOKEN === undefined ? 7 : 8)"] };
    await assert.rejects(startServer(spec), /ended with code 7/);
    delete process.env.VAULT_TOKEN;
  });
});

describe("a server whose starter ends", { concurrency: true }, () => {
  for (const [how, signal] of [
    ["wait", "SIGKILL"],
    ["wait", "SIGINT"],
    ["wait", "SIGTERM"],
    ["throw", undefined],
    ["exit", undefined],
    ["fall off the end", undefined],
  ] as const) {
    it(`is gone, with its folder, after ${signal ?? how}`, async () => {
      const script = spawn(process.execPath, [join(import.meta.dirname, "starts-a-server.ts"), how], {
        stdio: ["ignore", "pipe", "ignore"],
      });
      const ended = new Promise((resolve) => script.once("exit", resolve));
      const { pid, folder } = JSON.parse(await firstLine(script.stdout)) as { pid: number; folder: string };
      if (signal !== undefined) {
        assert.equal(isAlive(pid), true);
        script.kill(signal);
      }
      await ended;
      await waitFor("the end of the server", async () => !isAlive(pid));
      await waitFor("the end of its folder", async () => !existsSync(folder));
    });
  }
});

describe("ports", () => {
  it("are never given twice while they are held, in one process or several", async () => {
    const held = await reservePorts(100);
    assert.equal(new Set(held.map(({ port }) => port)).size, 100);
    const first = held[0]?.port ?? 0;
    // The middle of its share: a quotient may round to a little less than it is.
    const only = (wanted: number) => () => (wanted - 17_000 + 0.5) / 15_000;
    await assert.rejects(reservePort(only(first)), /no free port/);
    await Promise.all(held.map((port) => port[Symbol.asyncDispose]()));
    await using again = await reservePort(only(first));
    assert.equal(again.port, first);
  });
});

describe("a temporary folder", () => {
  it("goes with its scope", async () => {
    let path = "";
    {
      await using folder = await tempFolder("test");
      path = folder.path;
      assert.equal(existsSync(path), true);
    }
    assert.equal(existsSync(path), false);
  });
});

async function hello(port: number, timeoutMs = 60_000): Promise<string> {
  const http = httpClient(`http://127.0.0.1:${port}`);
  try {
    return (await http.send("GET", "/", undefined, { timeoutMs })).text;
  } finally {
    await http.close();
  }
}

async function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: stream })) return line;
  throw new Error("it said nothing");
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
