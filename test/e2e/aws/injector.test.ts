import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { DeleteBucketPolicyCommand, S3Client } from "@aws-sdk/client-s3";
import { parse } from "yaml";
import { keyHash, keyOf } from "../../../lib/injector-keys.ts";
import { type Cluster, type Ministack, startCluster, startMinistack } from "../../harness/index.ts";
import { type TempFolder, tempFolder } from "../../harness/process/temp-folder.ts";
import { keyferry } from "../support/engine.ts";
import {
  agentsOf,
  annotations,
  aPod,
  createPod,
  type Registration,
  registrationOf,
  unregister,
  untilAsked,
} from "../support/injector.ts";
import { endAll } from "../support/start-place.ts";
import { type Account, accountOf } from "./support/account.ts";
import { STACK, serverless, widen } from "./support/deployed.ts";
import { withInjector } from "./support/injector-settings.ts";
import { startTlsFront, type TlsFront } from "./support/tls-front.ts";
import { A_TICK_MS } from "./support/waits.ts";

/** A tick, a watch pass and its log, each by a process that starts first. */
const SOON_MS = A_TICK_MS;
/** The most that an API server waits for a webhook. */
const PATIENT_S = 30;

/** MiniStack serves function URLs without TLS, so a front of the test has the certificate, as AWS's own front has it. */
describe("the injector as a function", { concurrency: 1 }, () => {
  let aws: Ministack;
  let cluster: Cluster;
  let account: Account;
  let folder: TempFolder;
  let front: TlsFront;
  let fleetPath: string;
  let keyPath: string;
  const key = keyOf(randomBytes(32));
  const wanted = annotations("https://vault.example.com:8200");

  before(async () => {
    [aws, cluster, folder] = await Promise.all([
      // Whoever asks is judged by the function's policy, as by AWS.
      startMinistack({ env: { AUTH: "true" } }),
      startCluster({ name: "one" }),
      tempFolder("package"),
    ]);
    account = accountOf(aws);
    fleetPath = join(folder.path, "fleet.yaml");
    keyPath = join(folder.path, "one.key");
    await writeFile(keyPath, key, { mode: 0o600 });
    await copyFile(cluster.kubeconfigPath, join(folder.path, "one.kubeconfig"));
    await writeFleet({});
    const more = await withInjector(folder.path, fleetPath);
    const packaged = join(folder.path, "package");
    await serverless("package", packaged, {}, more);
    await widen(packaged);
    await serverless("deploy", packaged, aws.env, more);
    const { InjectorUrl = "" } = await account.outputs(STACK);
    assert.match(InjectorUrl, /^https:\/\/[a-z0-9-]+\.lambda-url\.eu-central-1\.on\.aws\/$/);
    front = await startTlsFront(aws, InjectorUrl);
  });
  after(() => endAll(folder, aws, cluster, front));

  const writeFleet = async (injector: object, more: object = {}): Promise<void> => {
    const one = {
      name: "one",
      connect: { kubeconfig: { path: "one.kubeconfig" } },
      injector: { keys: [keyHash(key)], cpuLimit: "789m", ...more },
    };
    const fleet = { apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters: [one], injector };
    await writeFile(fleetPath, JSON.stringify(fleet));
  };

  it("is called by the API server, at a path with the key, and injects by the packaged settings", async () => {
    await writeFile(join(folder.path, "front.pem"), front.caPem);
    await writeFleet({ url: front.url, caFile: "front.pem" });
    const where = ["--fleet", fleetPath, "--key-file", keyPath];
    const printed = await keyferry(["injector", "manifests", "one", ...where]);
    assert.equal(printed.code, 0, printed.stderr);
    assert.match(printed.stdout, /timeoutSeconds: 5$/m);
    const { webhooks, ...registration } = parse(printed.stdout) as Registration;
    // On a busy machine the emulator may answer late, and the API server would refuse for that.
    await cluster.apply({ ...registration, webhooks: [{ ...webhooks[0], timeoutSeconds: PATIENT_S }] });
    await untilAsked(cluster);
    const { status, pod, message } = await createPod(cluster, aPod({ generateName: "web-", annotations: wanted }));
    assert.equal(status, 201, message);
    assert.deepEqual(agentsOf(pod), ["vault-agent-init", "vault-agent"]);
    assert.match(JSON.stringify(pod.spec), /"cpu":"789m"/);
    assert.ok(front.paths.every((path) => path === `/c/one/${key}/mutate?timeout=${PATIENT_S}s`));
    const dry = await createPod(cluster, aPod({ name: "dry", annotations: wanted }), { dryRun: true });
    assert.deepEqual(agentsOf(dry.pod), ["vault-agent-init", "vault-agent"]);
    const env = [{ name: "LARGE", value: "x".repeat(1_000_000) }];
    const containers = [{ name: "app", image: "a/b", env }];
    const large = await createPod(cluster, aPod({ name: "large", annotations: wanted }, { containers }));
    assert.deepEqual(agentsOf(large.pod), ["vault-agent-init", "vault-agent"], large.message);
  });

  it("is asked about no other pod, and answers nobody without the key", async () => {
    const before = front.paths.length;
    assert.equal((await createPod(cluster, aPod({ name: "plain" }))).status, 201);
    assert.equal(front.paths.length, before, "other pods never leave the API server");
    const { payload, error } = await account.invoke(`${STACK}-inject`, urlEvent("/c/one/wrong/mutate"));
    assert.equal(error, undefined);
    assert.deepEqual((payload as { statusCode: number }).statusCode, 404);
  });

  it("logs a refusal by namespace and name, and counts by results", async () => {
    const wrong = { ...wanted, "vault.hashicorp.com/agent-limits-cpu": "s3cr3t-value" };
    assert.equal((await createPod(cluster, aPod({ generateName: "wrong-", annotations: wrong }))).status, 422);
    // On a busy machine, this AWS puts a line into the log with the next invocation of the same process.
    const logs = async () => {
      await account.invoke(`${STACK}-inject`, urlEvent("/c/one/wrong/mutate"));
      return account.logs(`${STACK}-inject`);
    };
    const { line } = await cluster.waitFor("the log line", async () =>
      (await logs()).find(({ line: { generateName } }) => generateName === "wrong-"),
    );
    assert.deepEqual([line.event, line.cluster, line.namespace], ["pod-refused", "one", "default"]);
    const all = await cluster.waitFor("the counts", async () => {
      const text = JSON.stringify(await logs());
      return /keyferry_injector_reviews_total/.test(text) && /"Unit":"Milliseconds"/.test(text) && text;
    });
    assert.doesNotMatch(all, /s3cr3t-value/);
    assert.doesNotMatch(all, new RegExp(key));
  });

  it("is registered by the function that watches the clusters, once the key is pushed; without a CA", async () => {
    await unregister(cluster);
    await writeFleet({ url: front.url, manage: true }, { managedKeyFile: "one.key" });
    const { FleetLocation = "" } = await account.outputs(STACK);
    const [, Bucket = ""] = /^s3:\/\/([^/]+)\//.exec(FleetLocation) ?? [];
    // It refuses what comes without TLS, which this AWS does not have.
    const s3 = new S3Client({ ...aws.clientConfig, forcePathStyle: true });
    await s3.send(new DeleteBucketPolicyCommand({ Bucket }));
    const pushed = await keyferry(["fleet", "push", "--fleet", fleetPath, "--stack", STACK], aws.env);
    assert.equal(pushed.code, 0, pushed.stderr);
    const found = await cluster.waitFor(
      "the registration",
      async () => {
        await account.invoke(`${STACK}-tick`);
        return registrationOf(cluster);
      },
      SOON_MS,
    );
    const { url, caBundle } = found.webhooks[0].clientConfig as { url: string; caBundle?: string };
    assert.deepEqual([url, caBundle], [`${front.url.replace(/\/$/, "")}/c/one/${key}/mutate`, undefined]);
    const { line } = await cluster.waitFor(
      "the log line",
      async () =>
        (await account.logs(`${STACK}-discover`)).find(({ line: { event } }) => event === "injector-registered"),
      SOON_MS,
    );
    assert.deepEqual([line.cluster, line.did], ["one", "created"]);
    assert.doesNotMatch(JSON.stringify(await account.logs(`${STACK}-discover`)), new RegExp(key));
  });
});

/** A request as function URLs deliver it. */
function urlEvent(path: string): object {
  return {
    version: "2.0",
    rawPath: path,
    headers: { "content-type": "application/json" },
    requestContext: { http: { method: "POST", path } },
    body: "{}",
    isBase64Encoded: false,
  };
}
