import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import type { Cluster, KubeObject } from "../../harness/index.ts";
import { keyferry } from "./engine.ts";
import type { World } from "./world.ts";

/** Pods with annotations of the Agent Injector, and the webhook that injects them. */

export interface PodObject extends KubeObject {
  readonly spec: {
    readonly containers: readonly { readonly name: string }[];
    readonly initContainers?: readonly { readonly name: string }[];
  };
}

const API = "admissionregistration.k8s.io/v1";
const KIND = "MutatingWebhookConfiguration";
/** A process looks after its registrations twice a minute. */
const ASKED_MS = 90_000;
export const CONFIGURATION = "vault-agent-injector-keyferry";

/** The annotations of a pod that wants one secret. */
export function annotations(vault: string): Readonly<Record<string, string>> {
  return {
    "vault.hashicorp.com/agent-inject": "true",
    "vault.hashicorp.com/agent-inject-secret-db": "kv/data/db",
    "vault.hashicorp.com/role": "app",
    "vault.hashicorp.com/service": vault,
  };
}

export function aPod(metadata: object, spec: object = {}): object {
  const containers = [{ name: "app", image: "example.com/app" }];
  return { apiVersion: "v1", kind: "Pod", metadata, spec: { containers, ...spec } };
}

/** Creates it as people do; answers what the API server says. */
export async function createPod(
  cluster: Cluster,
  pod: object,
  { namespace = "default", dryRun = false } = {},
): Promise<{ readonly status: number; readonly pod: PodObject; readonly message: string }> {
  const path = `/api/v1/namespaces/${namespace}/pods${dryRun ? "?dryRun=All" : ""}`;
  const { status, body } = await cluster.request<PodObject & { message?: string }>("POST", path, pod);
  return { status, pod: body, message: body.message ?? "" };
}

/** The containers that the injector added. */
export function agentsOf({ spec }: PodObject): readonly string[] {
  const all = [...(spec.initContainers ?? []), ...spec.containers];
  return all.map(({ name }) => name).filter((name) => name.startsWith("vault-agent"));
}

/** Makes a key, whose hash stands in fleet.yaml afterwards. Answers the file of the key. */
export async function newKey(world: World, cluster: string, name: string): Promise<string> {
  const { code, stdout, stderr } = await keyferry(["injector", "key", cluster, "--write", "--fleet", world.fleetPath]);
  assert.equal(code, 0, stderr);
  const path = join(world.folder, `${name}.key`);
  await writeFile(path, stdout, { mode: 0o600 });
  return path;
}

/** What `keyferry injector manifests` prints. */
export async function manifests(
  world: World,
  cluster: string,
  keyFile: string,
  ...more: readonly string[]
): Promise<Registration> {
  const where = ["--fleet", world.fleetPath, "--data-dir", join(world.folder, "data"), "--key-file", keyFile];
  const { code, stdout, stderr } = await keyferry(["injector", "manifests", cluster, ...where, ...more]);
  assert.equal(code, 0, stderr);
  return parse(stdout) as Registration;
}

export interface Registration {
  readonly webhooks: readonly [{ readonly clientConfig: { readonly url: string; readonly caBundle?: string } }];
  readonly [field: string]: unknown;
}

/** Waits until the API server uses the registration: until it refuses a pod by it. */
export async function untilAsked(cluster: Cluster): Promise<void> {
  const pod = aPod({ generateName: "probe-", annotations: { "vault.hashicorp.com/agent-inject": "no bool" } });
  await cluster.waitFor(
    "the API server to ask the webhook",
    async () => {
      const { status, message } = await createPod(cluster, pod, { dryRun: true });
      return status >= 400 && message.includes('webhook "vault-agent-injector.keyferry.dev" denied');
    },
    ASKED_MS,
  );
}

export async function unregister(cluster: Cluster): Promise<void> {
  await cluster.delete({ apiVersion: API, kind: KIND, name: CONFIGURATION });
}

export async function registrationOf(cluster: Cluster): Promise<(KubeObject & Registration) | undefined> {
  return cluster.get<KubeObject & Registration>({ apiVersion: API, kind: KIND, name: CONFIGURATION });
}

/** Changes what happens when the webhook does not answer. */
export async function setFailurePolicy(cluster: Cluster, policy: "Fail" | "Ignore"): Promise<void> {
  const path = `/apis/${API}/mutatingwebhookconfigurations/${CONFIGURATION}`;
  const patch = [{ op: "replace", path: "/webhooks/0/failurePolicy", value: policy }];
  const { status, text } = await cluster.request("PATCH", path, patch, { contentType: "application/json-patch+json" });
  assert.equal(status, 200, text);
}

/** The webhook's own count of requests by result. */
export async function reviews(metrics: string): Promise<Readonly<Record<string, number>>> {
  const found = metrics.matchAll(/^keyferry_injector_reviews_total\{cluster="[^"]*",result="([^"]+)"\} (\d+)$/gm);
  return Object.fromEntries([...found].map(([, result, count]) => [result, Number(count)]));
}
