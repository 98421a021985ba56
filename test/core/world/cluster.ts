import type { KubeCall } from "../../../lib/kubernetes/kube-call.ts";
import type { KubeClient, KubeObject, ObjectRef } from "../../harness/cluster/kube-client.ts";
import type { Who } from "./api/access.ts";
import { type ApiServer, apiServer } from "./api/api-server.ts";
import { type Pace, runControllers } from "./api/controllers.ts";
import type { Json } from "./api/fields.ts";
import type { ServedKind } from "./api/kinds.ts";
import { Refused } from "./api/refusals.ts";
import { issuerOf } from "./api/tokens.ts";
import { memoryClients } from "./cluster-clients.ts";
import { callOf } from "./http-path.ts";
import type { MemoryCluster } from "./memory-cluster.ts";
import type { WorldTime } from "./time.ts";

export type { Fault, MemoryCluster } from "./memory-cluster.ts";

export interface ClusterOptions {
  readonly name: string;
  readonly time: WorldTime;
  readonly kinds?: readonly ServedKind[];
  readonly guardsOwners?: boolean;
  /** How long its controllers take. */
  readonly pace?: Pace;
}

/** What watch passes and probes ask for. */
const OF_PASSES = new Set(["namespaces", "configmaps", "leases"]);

const ADMIN = "admin";
const HARNESS = "harness";
const MAX_WAIT_MS = 30_000;
const WAIT_STEP_MS = 50;

export function memoryCluster(options: ClusterOptions): MemoryCluster {
  const { name, time, pace = () => 20 } = options;
  const server = apiServer(options);
  runControllers(server, time, pace);
  const breaks = new Set<() => void>();
  const kubeconfigs = new Map<string, Who>([[ADMIN, "admin"]]);
  const call = (ref: ObjectRef): KubeCall => {
    const kind = server.kindOf(ref.apiVersion, ref.kind);
    if (!kind) throw new Error(`this cluster has no ${ref.kind} in ${ref.apiVersion}`);
    const namespace = ref.metadata?.namespace ?? ref.namespace ?? "default";
    const place = kind.isNamespaced ? { namespace } : {};
    return { cluster: name, verb: "get", kind, ...place, name: ref.metadata?.name ?? ref.name ?? "" };
  };
  const breakAll = (): void => {
    for (const listener of [...breaks]) listener();
  };
  let outage: MemoryCluster["outage"];
  let requestsServed = 0;

  const request: KubeClient["request"] = async <T>(
    method: string,
    path: string,
    body?: unknown,
    how: { contentType?: string } = {},
  ) => {
    const asked = callOf(server, method, path);
    if (asked === undefined) return { status: 404, headers: {}, body: {} as T, text: "404 page not found\n" };
    const answer = served(server, {
      ...asked,
      ...(body === undefined ? {} : { body }),
      ...(how.contentType ? { contentType: how.contentType } : {}),
    });
    return { status: answer.status, headers: {}, body: answer.body as T, text: JSON.stringify(answer.body) };
  };
  return {
    name,
    server,
    time,
    get outage() {
      return outage;
    },
    fail(how) {
      outage = how;
      if (how !== undefined) breakAll();
    },
    onBreak(listener) {
      breaks.add(listener);
      return () => void breaks.delete(listener);
    },
    adminKubeconfig: ADMIN,
    issuer: issuerOf(name),
    async kubeconfigFor(identity) {
      if (!("serviceAccount" in identity)) throw new Error("a cluster in memory knows service accounts alone");
      const { serviceAccount } = identity;
      const text = `${serviceAccount.namespace}/${serviceAccount.name}`;
      kubeconfigs.set(text, serviceAccount);
      return text;
    },
    async tokenFor({ namespace, name: account, audiences, expirationSeconds = 3_600 }) {
      const kind = server.kindOf("v1", "ServiceAccount");
      if (!kind) throw new Error("no service accounts are served");
      const body = { spec: { audiences, expirationSeconds } };
      const call = {
        cluster: name,
        verb: "create",
        subresource: "token",
        kind,
        namespace,
        name: account,
        body,
      } as const;
      return String(Object(server.serve(call, "admin").status).token);
    },
    clientsFor(kubeconfig) {
      const who = kubeconfigs.get(kubeconfig) ?? "admin";
      return memoryClients({ time, who, clusterOf: () => this });
    },
    served: () => requestsServed,
    noteServed({ verb, kind }) {
      if (verb !== "watch" && verb !== "list" && !OF_PASSES.has(kind.resource)) requestsServed += 1;
    },
    async merge(ref, patch, manager = "kubectl-edit") {
      const how = { contentType: "application/merge-patch+json", query: { fieldManager: manager } };
      const { status, body } = served(server, { ...call(ref), verb: "patch", ...how, body: patch });
      if (status >= 300) throw new Error(`cannot patch ${ref.kind}: ${status} ${JSON.stringify(body)}`);
    },
    async restart() {
      server.objects.forget();
      breakAll();
    },
    snapshot: () => server.objects.snapshot(),
    request,
    async apply<T extends KubeObject>(objects: object | readonly object[]) {
      return ([objects].flat() as ObjectRef[]).map((object) => {
        const how = { contentType: "application/apply-patch+yaml", query: { fieldManager: HARNESS, force: "true" } };
        const { status, body } = served(server, { ...call(object), verb: "patch", ...how, body: object });
        if (status >= 300) throw new Error(`cannot apply ${object.kind}: ${status} ${JSON.stringify(body)}`);
        return body as unknown as T;
      });
    },
    async get<T extends KubeObject>(ref: ObjectRef) {
      const { status, body } = served(server, call(ref));
      return status === 404 ? undefined : (body as unknown as T);
    },
    async delete(ref, how) {
      served(server, { ...call(ref), verb: "delete", ...(how === undefined ? {} : { body: how }) });
    },
    async waitFor(what, look, timeoutMs = MAX_WAIT_MS) {
      for (let left = timeoutMs; left > 0; left -= WAIT_STEP_MS) {
        const found = await look();
        if (found !== undefined && found !== null && found !== false) return found;
        await time.sleep(WAIT_STEP_MS);
      }
      throw new Error(`waited ${timeoutMs / 1_000} s in vain for: ${what}`);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function served(server: ApiServer, call: KubeCall): { readonly status: number; readonly body: Json } {
  try {
    return { status: call.verb === "create" ? 201 : 200, body: server.serve(call, "admin") };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { status: error.http, body: typeof error.body === "string" ? {} : error.body };
  }
}
