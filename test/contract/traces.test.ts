import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { bundleFunction } from "../../infra/bundle.ts";
import { watchPassesBody } from "../../lib/aws/envelopes.ts";
import { waitFor } from "../harness/index.ts";
import { type TempFolder, tempFolder } from "../harness/process/temp-folder.ts";
import { queueEvent, SETTINGS } from "./functions/running.ts";

const ROOT = "1-5759e988-bd862e3fe1be46a994272793";
/** Calls the handler as AWS's runtime does. It ends by itself, when all that it sent is on its way. */
const CALL = `
const { handler } = await import(process.argv[1]);
const context = { awsRequestId: "r", functionName: "discover", getRemainingTimeInMillis: () => 60_000 };
process.stdout.write("\\n" + JSON.stringify(await handler(JSON.parse(process.argv[2]), context)));`;

interface Part {
  readonly name: string;
  readonly id: string;
  readonly trace_id: string;
  readonly parent_id: string;
  readonly error?: boolean;
  readonly in_progress?: boolean;
  readonly annotations?: Readonly<Record<string, unknown>>;
  readonly metadata?: { readonly keyferry?: { readonly about?: readonly string[] } };
}

describe("a function's trace", { timeout: 120_000 }, () => {
  let folder: TempFolder;
  let bundle: string;
  let daemon: Socket;
  let parts: Part[] = [];

  before(async () => {
    folder = await tempFolder("traces");
    const clusters = [{ name: "east", connect: { kubeconfig: { path: "kubeconfig" } } }];
    const fleet = JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters });
    await writeFile(join(folder.path, "fleet.yaml"), fleet);
    bundle = (await bundleFunction("discover", folder.path)).path;
    // What the X-Ray daemon beside each function is: datagrams of a header and a document.
    daemon = createSocket("udp4").bind(0, "127.0.0.1");
    daemon.on("message", (text) => void parts.push(JSON.parse(text.toString().split("\n")[1] ?? "{}") as Part));
    await once(daemon, "listening");
  });
  after(async () => {
    daemon?.close();
    await folder?.[Symbol.asyncDispose]();
  });

  const invoke = async (event: object, env: Readonly<Record<string, string>>): Promise<unknown> => {
    parts = [];
    const args = ["--input-type=module", "--eval", CALL, bundle, JSON.stringify(event)];
    const options = { cwd: folder.path, env: { ...SETTINGS, ...env } };
    const { stdout } = await promisify(execFile)(process.execPath, args, options);
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
  };
  const passes = Array.from({ length: 40 }, (_, n) => ({ cluster: n === 0 ? "east" : `gone-${n}`, fence: 0 }));
  const event = queueEvent({ m: watchPassesBody(passes) });
  const traced = () => ({
    AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
    AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
    LAMBDA_TASK_ROOT: folder.path,
    AWS_XRAY_DAEMON_ADDRESS: `127.0.0.1:${daemon.address().port}`,
  });
  const named = (name: string): Part =>
    parts.find((part) => part.name === name && !part.in_progress) ?? assert.fail(name);

  it("has a part for the invocation, one for what it prepares, and one for each message, in AWS's own", async () => {
    const answer = await invoke(event, {
      ...traced(),
      _X_AMZN_TRACE_ID: `Root=${ROOT};Parent=557abcec3ee5a047;Sampled=1`,
    });
    assert.deepEqual(answer, { batchItemFailures: [{ itemIdentifier: "m" }] });
    await waitFor("its parts", async () =>
      parts.some(({ name, in_progress }) => name === "## invocation" && !in_progress),
    );
    const own = named("## invocation");
    assert.deepEqual([own.trace_id, own.parent_id], [ROOT, "557abcec3ee5a047"]);
    assert.deepEqual(own.annotations, { ColdStart: true, Service: "keyferry-test" });
    assert.deepEqual([named("prepare").parent_id, named("message").parent_id], [own.id, own.id]);
  });

  it("marks what failed and names what it was about: some of it, and nothing that an error said", () => {
    const { error, annotations, metadata } = named("message");
    assert.deepEqual([error, annotations], [true, { clusters: 40 }]);
    assert.deepEqual(
      metadata?.keyferry?.about,
      passes.slice(0, 25).map(({ cluster }) => cluster),
    );
    assert.deepEqual([named("prepare").error, named("## invocation").error], [undefined, undefined]);
    for (const part of parts) assert.equal("cause" in part, false, part.name);
  });

  it("is none when it is not sampled, or when nothing traces", async () => {
    await invoke(event, { ...traced(), _X_AMZN_TRACE_ID: `Root=${ROOT};Parent=557abcec3ee5a047;Sampled=0` });
    assert.deepEqual(parts, []);
    await invoke(event, { AWS_XRAY_DAEMON_ADDRESS: `127.0.0.1:${daemon.address().port}` });
    assert.deepEqual(parts, []);
  });
});
