import { httpProbe } from "../../harness/process/http-probe.ts";
import type { ServerSpec } from "../../harness/process/server.ts";

const SCRIPT = `
const [port, temper] = process.argv.slice(1);
if (temper === "deaf") process.on("SIGTERM", () => undefined);
console.log("one line of output");
if (temper === "dies") throw new Error("no such luck");
require("node:http").createServer((_, answer) => answer.end("hello")).listen(port, "127.0.0.1");
setInterval(() => undefined, 1000);
`;

/** A server of a few lines in a process of its own, of several tempers. */
export const helloServer = (port: number, temper: "kind" | "deaf" | "dies" | "silent" = "kind"): ServerSpec => ({
  name: "hello",
  // One that is never ready has a time for its line, which a shell prints at once.
  ...(temper === "silent"
    ? { command: "/bin/sh", args: ["-c", "echo one line of output; exec sleep 600"] }
    : { command: process.execPath, args: ["-e", SCRIPT, "--", String(port), temper] }),
  ready: httpProbe(`http://127.0.0.1:${port}/`),
  startTimeoutMs: temper === "silent" ? 5_000 : 60_000,
  stopGraceMs: 300,
});
