import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LambdaClient, UpdateFunctionCodeCommand } from "@aws-sdk/client-lambda";
import { bundleFunction } from "../../infra/bundle.ts";
import { keyHash, keyOf } from "../../lib/injector-keys.ts";
import { accountOf } from "../../test/e2e/aws/support/account.ts";
import { STACK, serverless } from "../../test/e2e/aws/support/deployed.ts";
import { withInjector } from "../../test/e2e/aws/support/injector-settings.ts";
import { startEngine } from "../../test/e2e/support/engine.ts";
import { annotations, aPod } from "../../test/e2e/support/injector.ts";
import { startWorld, type World } from "../../test/e2e/support/world.ts";
import { type HttpClient, httpClient } from "../../test/harness/http.ts";
import { reservePort, startMinistack } from "../../test/harness/index.ts";
import { tempFolder } from "../../test/harness/process/temp-folder.ts";
import { type Figure, figure, percentile } from "../figures.ts";
import { usageOf } from "../usage.ts";
import { loaded } from "./functions.ts";
import { worstReviewCost } from "./injector-worst.ts";

const REVIEWS = 2_000;
const AT_ONCE = 4;
const COLD_STARTS = 9;
const PROCESSES = 9;

const KEY = keyOf(randomBytes(32));
const PATH = `/c/one/${KEY}/mutate?timeout=5s`;

/** Reviews of pods as API servers send them: by HTTPS to `keyferry run`, and a cold start of the function. */
export async function injectorCost(): Promise<readonly Figure[]> {
  return [...worstReviewCost(), ...(await listenerCost()), ...(await importCost()), ...(await coldStarts())];
}

/** Three kilobytes, as of a small workload. */
function aReview(at: number): object {
  const volumeMounts = [{ name: "token", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount", readOnly: true }];
  const env = Array.from({ length: 20 }, (_, index) => ({ name: `VARIABLE_${index}`, value: `value of ${index}` }));
  const containers = [
    { name: "app", image: "registry.example.com/shop/app:1.2.3", env, volumeMounts },
    { name: "proxy", image: "registry.example.com/proxy:4.5.6", volumeMounts },
  ];
  const volumes = [{ name: "token", projected: { sources: [{ serviceAccountToken: { path: "token" } }] } }];
  const wanted = {
    ...annotations("https://vault.example.com:8200"),
    "vault.hashicorp.com/agent-inject-secret-other": "kv/data/other",
    "vault.hashicorp.com/agent-inject-template-other":
      '{{ with secret "kv/data/other" }}{{ .Data.data.user }}{{ end }}',
  };
  return {
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid: `00000000-0000-0000-0000-${String(at).padStart(12, "0")}`,
      kind: { group: "", version: "v1", kind: "Pod" },
      resource: { group: "", version: "v1", resource: "pods" },
      operation: "CREATE",
      namespace: "shop",
      object: aPod({ generateName: "web-", annotations: wanted }, { containers, volumes }),
    },
  };
}

async function listenerCost(): Promise<readonly Figure[]> {
  await using world = await startWorld();
  const port = await freePort();
  const url = `https://127.0.0.1:${port}`;
  await world.writeFleet(() => ({ injector: { url, keys: [keyHash(KEY)] } }));
  await using engine = await startEngine(world, {
    args: ["--injector-listen", `127.0.0.1:${port}`, "--log-level", "info"],
  });
  const http = httpClient(url, { caPem: await caOf(world) });
  try {
    await review(http, 100);
    const before = await usageOf(engine.child.pid ?? 0);
    const samples = await review(http, REVIEWS);
    const after = await usageOf(engine.child.pid ?? 0);
    const scenario = `injector, ${REVIEWS} reviews by HTTPS`;
    return [
      figure(scenario, "p50", percentile(samples, 0.5), "ms"),
      figure(scenario, "p99", percentile(samples, 0.99), "ms"),
      atMost(scenario, "CPU of keyferry for each", (after.cpuMs - before.cpuMs) / REVIEWS, 2),
      figure(scenario, "peak RSS", after.peakRssMiB, "MiB"),
    ];
  } finally {
    await http.close();
  }
}

/** The times of these reviews, in ms. */
async function review(http: HttpClient, count: number): Promise<readonly number[]> {
  const samples: number[] = [];
  const left = Array.from({ length: count }, (_, at) => at)[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const at of left) {
      const body = JSON.stringify(aReview(at));
      const startedAt = performance.now();
      const { status, text } = await http.send("POST", PATH, body);
      samples.push(performance.now() - startedAt);
      if (status !== 200 || !text.includes('"patch"')) throw new Error(`not injected: ${status} ${text}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return samples;
}

/** What a cold start does before it is asked. */
async function importCost(): Promise<readonly Figure[]> {
  await using folder = await tempFolder("injector");
  const { path } = await bundleFunction("inject", folder.path);
  await writeFile(join(folder.path, "injector.json"), JSON.stringify({ version: 1, clusters: {} }));
  await loaded(path);
  const samples: number[] = [];
  for (let times = 0; times < PROCESSES; times++) samples.push((await loaded(path)).ms);
  return [atMost("injector, function", `import, median of ${PROCESSES} processes`, percentile(samples, 0.5), 80)];
}

/** The first request of a function's process, at MiniStack: its process starts, loads the package and answers. */
async function coldStarts(): Promise<readonly Figure[]> {
  await using folder = await tempFolder("injector");
  await using aws = await startMinistack();
  const fleet = join(folder.path, "fleet.yaml");
  const clusters = [{ name: "one", connect: { kubeconfig: { path: "one" } }, injector: { keys: [keyHash(KEY)] } }];
  await writeFile(fleet, JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters }));
  const more = await withInjector(folder.path, fleet);
  const packaged = join(folder.path, "package");
  await serverless("package", packaged, {}, more);
  await serverless("deploy", packaged, aws.env, more);
  const { InjectorUrl = "" } = await accountOf(aws).outputs(STACK);
  const [id] = new URL(InjectorUrl).hostname.split(".");
  const code = await readFile(join(packaged, "inject.zip"));
  const http = httpClient(aws.url);
  const lambda = new LambdaClient(aws.clientConfig);
  const ask = async (): Promise<number> => {
    const startedAt = performance.now();
    const { status, text } = await http.send("POST", `/_aws/lambda-url/${id}${PATH}`, aReview(0));
    if (status !== 200) throw new Error(`${status} ${text}`);
    return performance.now() - startedAt;
  };
  const cold: number[] = [];
  const warm: number[] = [];
  for (let times = 0; times < COLD_STARTS; times++) {
    // Its next request has a process of its own.
    await lambda.send(new UpdateFunctionCodeCommand({ FunctionName: `${STACK}-inject`, ZipFile: code }));
    cold.push(await ask());
    warm.push(await ask());
  }
  await http.close();
  const scenario = "injector, function on MiniStack";
  return [
    atMost(scenario, `cold start, median of ${COLD_STARTS}`, percentile(cold, 0.5), 400),
    figure(scenario, "cold start, slowest", Math.max(...cold), "ms"),
    figure(scenario, "warm, median", percentile(warm, 0.5), "ms"),
  ];
}

function atMost(scenario: string, name: string, value: number, most: number): Figure {
  return { ...figure(scenario, name, value, "ms", `<= ${most}`), isMissed: value > most };
}

async function freePort(): Promise<number> {
  await using reserved = await reservePort();
  return reserved.port;
}

async function caOf(world: World): Promise<string> {
  const path = join(world.folder, "data/injector-ca.json");
  return (JSON.parse(await readFile(path, "utf8")) as { cert: string }[])[0]?.cert ?? "";
}
