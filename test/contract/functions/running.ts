import { spawn } from "node:child_process";
import { once } from "node:events";
import { VARIABLE_NAMES } from "../../../functions/wiring/config.ts";
import { waitFor } from "../../harness/index.ts";

/** Nobody answers there. */
export const NOWHERE = "http://127.0.0.1:9";
const QUEUE = `${NOWHERE}/123456789012/queue`;

/** What serverless.yml gives a function, at an AWS of which no part answers. Its fleet comes with the package. */
export const SETTINGS: Readonly<Record<string, string>> = {
  AWS_REGION: "eu-central-1",
  AWS_ENDPOINT_URL: NOWHERE,
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "test",
  // Most of them are names, and a URL is as good a name as any.
  ...Object.fromEntries(VARIABLE_NAMES.map((name) => [name, QUEUE])),
  KEYFERRY_STACK: "keyferry-test",
  KEYFERRY_TABLE: "leases",
  KEYFERRY_FLEET: "fleet.yaml",
  KEYFERRY_RENEW_CONCURRENCY: "5",
  KEYFERRY_NOW_CONCURRENCY: "10",
  KEYFERRY_REFRESH_CONCURRENCY: "10",
  KEYFERRY_METRICS_BY_CLUSTER: "false",
  KEYFERRY_LOG_LEVEL: "info",
};

const ENDED = "all-printed";

/** What AWS's runtime does: one process, one event after the other. On both streams it says when all of one was printed. */
const RUNTIME = `
const { handler } = await import(process.argv[1]);
const context = { awsRequestId: "r", functionName: "function", getRemainingTimeInMillis: () => 60_000 };
const run = async (event) => {
  try { return { result: await handler(event, context) ?? null }; }
  catch (error) { return { error: error.name }; }
};
process.on("message", async (event) => {
  const ended = await run(event);
  for (const stream of [process.stdout, process.stderr]) stream.write("\\n${ENDED}\\n");
  process.send(ended);
});
process.send("ready");`;

export interface Ended {
  readonly result?: unknown;
  /** The name of the error that the runtime would report. */
  readonly error?: string;
}

/** A packaged function in a process of its own, which stays from one invocation to the next. */
export interface RunningFunction extends AsyncDisposable {
  invoke(event: object): Promise<Ended>;
  /** What it printed since it was asked last: log lines and metrics. */
  printed(): readonly Readonly<Record<string, unknown>>[];
}

export async function startFunction(
  bundle: string,
  folder: string,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningFunction> {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", RUNTIME, bundle], {
    cwd: folder,
    env: { ...SETTINGS, ...env },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const gone = once(child, "exit").then(() => {
    throw new Error(`the function's process ended:\n${output.slice(-2_000)}`);
  });
  gone.catch(() => undefined);
  await Promise.race([once(child, "message"), gone]);
  return {
    async invoke(event) {
      const answered = once(child, "message");
      child.send(event);
      const [ended] = (await Promise.race([answered, gone])) as [Ended];
      await waitFor("both streams", async () => output.split(ENDED).length > 2, 30_000);
      output = output.replaceAll(ENDED, "");
      return ended;
    },
    printed() {
      const lines = output.split("\n").filter((line) => line.startsWith("{"));
      output = "";
      return lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
    },
    async [Symbol.asyncDispose]() {
      const ended = gone.catch(() => undefined);
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** An event of a queue with these messages, by their ids. */
export function queueEvent(bodies: Readonly<Record<string, string>>): object {
  const Records = Object.entries(bodies).map(([messageId, body]) => ({
    messageId,
    body,
    eventSource: "aws:sqs",
    eventSourceARN: "arn:aws:sqs:eu-central-1:123456789012:queue",
    attributes: { ApproximateReceiveCount: "1" },
  }));
  return { Records };
}
