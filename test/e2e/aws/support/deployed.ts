import { createSocket } from "node:dgram";
import { once } from "node:events";
import { chmod, copyFile, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DeleteBucketPolicyCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { SendMessageCommand } from "@aws-sdk/client-sqs";
import { dynamoClient } from "../../../../lib/store/dynamodb/client.ts";
import { type DynamoStore, dynamoLeaseStore } from "../../../../lib/store/dynamodb/dynamodb-store.ts";
import { type Ministack, startMinistack } from "../../../harness/index.ts";
import { runTool } from "../../../harness/obtain/run-tool.ts";
import { type TempFolder, tempFolder } from "../../../harness/process/temp-folder.ts";
import { passesDue } from "../../../passes-due.ts";
import { answerOf, onceAwsAnswers, ranOnceAwsAnswers } from "../../support/answers.ts";
import { keyferry, type Ran, type StatusAnswer } from "../../support/engine.ts";
import { startWorld, vaultsOf, type World, type WorldOptions } from "../../support/world.ts";
import { type Account, accountOf, type LogEntry } from "./account.ts";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
export const STACK = "keyferry-test";

/** One Vault, two clusters, and keyferry as `serverless deploy` put it onto AWS. */
export interface Deployed extends AsyncDisposable {
  readonly world: World;
  readonly aws: Ministack;
  readonly account: Account;
  readonly outputs: Readonly<Record<string, string>>;
  /** The lease table as it is. */
  readonly leases: DynamoStore;
  deploy(): Promise<void>;
  /** Takes the stack away. */
  remove(): Promise<void>;
  /** Uploads fleet.yaml (the two clusters when not given) with the kubeconfigs beside it. */
  uploadFleet(text?: string): Promise<void>;
  /** The text of a fleet.yaml with both clusters, and more of the first Vault. */
  fleetWith(vault: object): Promise<string>;
  /** A fleet.yaml with both clusters, and their kubeconfigs beside it. */
  readonly fleetPath: string;
  /** What the rule does each minute, now. */
  tick(): Promise<{ readonly error?: string; readonly payload: unknown }>;
  /**
   * Ticks more often than each minute, until it is disposed of: two at once do no harm (lease-table 13). Each tick finds
   * clusters in step due for their next watch pass.
   */
  ticking(): AsyncDisposable;
  /** Every part of a trace that a function sent, as text. */
  readonly traced: readonly string[];
  /** Puts a message into a queue, as it is. */
  send(queue: "NowQueueUrl" | "RefreshQueueUrl", body: string): Promise<void>;
  /** One that only looks is asked again while DynamoDB's stand-in is too busy to answer. */
  keyferry(...args: readonly string[]): Promise<Ran>;
  /** Asked again while DynamoDB's stand-in is too busy to answer. */
  status(): Promise<StatusAnswer>;
  /** What a function logged under this event name. */
  logged(name: "tick" | "discover" | "reconcile" | "vault-audit", event: string): Promise<readonly LogEntry[]>;
}

export interface DeployedOptions {
  /** Missing: the clusters one and two. */
  readonly world?: WorldOptions;
  /** More for the environment of functions. */
  readonly env?: Readonly<Record<string, string>>;
  /** A file of settings in this folder, made after `before`. Missing: infra/settings.yml. */
  readonly settings?: (folder: string) => Promise<string>;
  /** What the account has before the stack is deployed. */
  readonly before?: (aws: Ministack) => Promise<void>;
}

export async function startDeployed(options: DeployedOptions = {}): Promise<Deployed> {
  const { world: worldOptions = { clusters: ["one", "two"] }, env = {}, settings, before } = options;
  await using started = new AsyncDisposableStack();
  const folder = started.use(await tempFolder("package"));
  const daemon = started.use(await traceDaemon());
  const [world, aws] = await Promise.all([
    startWorld(worldOptions).then((made) => started.use(made)),
    // Whoever asks is judged by the policies of its role, as by AWS. Functions trace, as they do there.
    startMinistack({ env: { AUTH: "true", ...daemon.env, ...env } }).then((made) => started.use(made)),
  ]);
  const account = accountOf(aws);
  await before?.(aws);
  const own = settings === undefined ? [] : ["--param", `settings=${await settings(folder.path)}`];
  const deploy = async () => {
    await serverless("package", folder.path, {}, own);
    await widen(folder.path);
    await serverless("deploy", folder.path, aws.env);
  };
  const remove = () => serverless("remove", folder.path, aws.env);
  await deploy();
  const outputs = await account.outputs(STACK);
  const s3 = new S3Client({ ...aws.clientConfig, forcePathStyle: true });
  const [, bucket = ""] = /^s3:\/\/([^/]+)\//.exec(outputs.FleetLocation ?? "") ?? [];
  // It refuses what comes without TLS, which this AWS does not have.
  await s3.send(new DeleteBucketPolicyCommand({ Bucket: bucket }));
  const put = (Key: string, Body: string) => s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body }));
  const fleetPath = await writeFleet(world, folder.path);
  const leases = dynamoLeaseStore({ client: dynamoClient(aws.clientConfig), table: outputs.LeaseTableName ?? "" });
  const run = (args: readonly string[]) => keyferry([...args, "--stack", STACK], aws.env);
  const deployed: Omit<Deployed, keyof AsyncDisposable> = {
    world,
    aws,
    account,
    outputs,
    leases,
    deploy,
    remove,
    async uploadFleet(text) {
      for (const { name, kubeconfigPath } of world.clusters) {
        await put(`clusters/${name}.yaml`, await readFile(kubeconfigPath, "utf8"));
      }
      await put("fleet.yaml", text ?? (await fleetOf(world)));
    },
    fleetWith: (vault) => fleetOf(world, vault),
    fleetPath,
    tick: () => account.invoke(`${STACK}-tick`),
    ticking: () =>
      ticking(async () => {
        await passesDue(leases);
        await account.invoke(`${STACK}-tick`);
      }),
    traced: daemon.parts,
    send: async (queue, MessageBody) =>
      void (await account.sqs.send(new SendMessageCommand({ QueueUrl: outputs[queue], MessageBody }))),
    keyferry: (...args) => ranOnceAwsAnswers(args, () => run(args)),
    status: () =>
      onceAwsAnswers("status", async () => answerOf<StatusAnswer>("status", await run(["status", "-o", "json"]))),
    logged: async (name, event) => (await account.logs(`${STACK}-${name}`)).filter(({ line }) => line.event === event),
  };
  const parts = started.move();
  return { ...deployed, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

const TICK_AGAIN_MS = 5_000;

function ticking(tick: () => Promise<unknown>): AsyncDisposable {
  const stop = new AbortController();
  const { signal } = stop;
  const going = (async () => {
    while (!signal.aborted) {
      await tick().catch(() => undefined);
      await sleep(TICK_AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  })();
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await going;
    },
  };
}

interface TraceDaemon extends AsyncDisposable {
  /** For functions. */
  readonly env: Readonly<Record<string, string>>;
  readonly parts: readonly string[];
}

/** What the X-Ray daemon beside each function is: it takes datagrams. */
async function traceDaemon(): Promise<TraceDaemon> {
  const parts: string[] = [];
  const socket = createSocket("udp4").on("message", (text) => void parts.push(text.toString()));
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    env: {
      AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
      AWS_XRAY_DAEMON_ADDRESS: `127.0.0.1:${socket.address().port}`,
    },
    parts,
    [Symbol.asyncDispose]: async () => void socket.close(),
  };
}

async function writeFleet(world: World, parent: string): Promise<string> {
  const folder = join(parent, "fleet");
  await mkdir(join(folder, "clusters"), { recursive: true });
  for (const { name, kubeconfigPath } of world.clusters) {
    const copy = join(folder, "clusters", `${name}.yaml`);
    await copyFile(kubeconfigPath, copy);
    await chmod(copy, 0o600);
  }
  const path = join(folder, "fleet.yaml");
  await writeFile(path, await fleetOf(world));
  return path;
}

async function fleetOf({ clusters, vault }: World, more: object = {}): Promise<string> {
  const entries = clusters.map(({ name }) => ({ name, connect: { kubeconfig: { path: `clusters/${name}.yaml` } } }));
  const vaults = await vaultsOf(vault, more);
  return JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", vaults, clusters: entries });
}

/** AWS takes sqs:SendMessage for a batch as well; this AWS knows its own name for it. */
export async function widen(folder: string): Promise<void> {
  for (const file of ["cloudformation-template-update-stack.json", "serverless-state.json"]) {
    const path = join(folder, file);
    const text = await readFile(path, "utf8");
    await writeFile(
      path,
      text.replaceAll(/"Action":\s*"sqs:SendMessage"/g, '"Action": ["sqs:SendMessage", "sqs:SendMessageBatch"]'),
    );
  }
}

/** Where the deployment tool runs for each package: it writes into the folder of its project. */
const projects = new Map<string, Promise<TempFolder>>();

/** A project folder with what the tool reads: its own file, and links to the rest. Goes away with this process. */
async function projectFolder(): Promise<TempFolder> {
  const project = await tempFolder("project");
  await copyFile(join(ROOT, "serverless.yml"), join(project.path, "serverless.yml"));
  for (const name of ["bin", "infra"]) await symlink(join(ROOT, name), join(project.path, name));
  return project;
}

/** The project folder in which packages for this folder are made. */
export function projectOf(folder: string): Promise<TempFolder> {
  const project = projects.get(folder) ?? projectFolder();
  projects.set(folder, project);
  return project;
}

/**
 * Runs the deployment tool as people do, without a login, with packages in a folder of our own. A package is deployed from
 * the project folder in which it was made.
 */
export async function serverless(
  command: "deploy" | "package" | "remove",
  folder: string,
  env: Readonly<Record<string, string>> = {},
  more: readonly string[] = [],
): Promise<void> {
  const script = join(ROOT, "node_modules/serverless/bin/serverless.js");
  const args = [script, command, "--stage", "test", ...(command === "remove" ? [] : ["--package", folder]), ...more];
  const cwd = (await projectOf(folder)).path;
  await runTool(process.execPath, args, { cwd, env: { ...env, SLS_TELEMETRY_DISABLED: "1" } });
}
