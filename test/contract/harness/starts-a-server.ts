// Starts a server that is deaf to SIGTERM, says its process id and its folder, and then ends in the way that it was told.
import { reservePort } from "../../harness/process/ports.ts";
import { startServer } from "../../harness/process/server.ts";
import { tempFolder } from "../../harness/process/temp-folder.ts";
import { helloServer } from "./hello-server.ts";

const how = process.argv[2];
const folder = await tempFolder("orphan");
const { port } = await reservePort();
const server = await startServer(helloServer(port, "deaf"));
process.stdout.write(`${JSON.stringify({ pid: server.pid(), folder: folder.path })}\n`);
if (how === "throw") throw new Error("as told");
if (how === "exit") process.exit(0);
if (how === "wait") setInterval(() => undefined, 1_000);
// Else it comes to its end by itself: a server that nobody stops holds nobody up.
