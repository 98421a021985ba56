import type { KindRef } from "../resource-kinds.ts";
import { accepted, type ClusterClients } from "./cluster-client.ts";
import type { KubeCall } from "./kube-call.ts";
import { isAbsent } from "./kube-failure.ts";
import { type Shape, shapesAt } from "./shapes.ts";

const WEBHOOK_CONFIGURATION: KindRef = {
  group: "admissionregistration.k8s.io",
  version: "v1",
  resource: "mutatingwebhookconfigurations",
  kind: "MutatingWebhookConfiguration",
};

const FIELD_MANAGER = "keyferry";

/** The registrations of mutating webhooks in clusters. */
export interface WebhookConfigurations {
  /** Undefined: there is none. */
  get(cluster: string, name: string, signal: AbortSignal): Promise<Shape | undefined>;
  list(cluster: string, signal: AbortSignal): Promise<readonly Shape[]>;
  /** Creates it, or makes it so, by server-side apply. */
  apply(cluster: string, name: string, object: object, signal: AbortSignal): Promise<void>;
  /** Changes the members of the patch alone; webhooks are told apart by their names. */
  patch(cluster: string, name: string, patch: object, signal: AbortSignal): Promise<void>;
}

export function webhookConfigurations(clients: Pick<ClusterClients, "send">): WebhookConfigurations {
  const send = async (call: KubeCall, signal: AbortSignal): Promise<Shape> =>
    accepted(call, await clients.send(call, signal));
  return {
    async get(cluster, name, signal) {
      const call: KubeCall = { cluster, verb: "get", kind: WEBHOOK_CONFIGURATION, name };
      const answer = await clients.send(call, signal);
      if ("failure" in answer && isAbsent(answer.failure, WEBHOOK_CONFIGURATION.resource)) return undefined;
      return accepted(call, answer);
    },
    async list(cluster, signal) {
      const call: KubeCall = { cluster, verb: "list", kind: WEBHOOK_CONFIGURATION, query: { limit: "500" } };
      return shapesAt(await send(call, signal), "items");
    },
    async apply(cluster, name, object, signal) {
      await send({ ...patchOf(cluster, name, { force: "true" }), contentType: APPLY, body: object }, signal);
    },
    async patch(cluster, name, patch, signal) {
      await send({ ...patchOf(cluster, name), contentType: STRATEGIC, body: patch }, signal);
    },
  };
}

const APPLY = "application/apply-patch+yaml";
const STRATEGIC = "application/strategic-merge-patch+json";

function patchOf(cluster: string, name: string, more: Readonly<Record<string, string>> = {}): KubeCall {
  const query = { fieldManager: FIELD_MANAGER, ...more };
  return { cluster, verb: "patch", kind: WEBHOOK_CONFIGURATION, name, query };
}
