import type { Reviewer } from "../../lib/admission/review.ts";
import type { ReviewOutcome } from "../../lib/injector/review.ts";

/** Pods outside of a cluster: what the API server does before and after the webhook. */

interface Volumes {
  readonly volumes?: readonly { readonly name?: string }[];
  readonly containers?: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly automountServiceAccountToken?: boolean;
}

interface Container {
  readonly volumeMounts?: readonly { readonly mountPath?: string }[];
}

const TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
const TOKEN_VOLUME = "kube-api-access";

/** With the token of the service account, which API servers mount before they call webhooks. */
export function withServiceAccount<P extends { readonly spec?: object }>(pod: P): P {
  const spec = (pod.spec ?? {}) as Volumes;
  if (spec.automountServiceAccountToken === false) return pod;
  const mounted = (container: Container): Container => {
    const { volumeMounts = [] } = container;
    if (volumeMounts.some(({ mountPath }) => mountPath === TOKEN_PATH)) return container;
    const mount = { name: TOKEN_VOLUME, mountPath: TOKEN_PATH, readOnly: true };
    return { ...container, volumeMounts: [...volumeMounts, mount] };
  };
  const token = { serviceAccountToken: { expirationSeconds: 3_607, path: "token" } };
  const volume = { name: TOKEN_VOLUME, projected: { sources: [token] } };
  const { containers = [], initContainers, volumes = [] } = spec;
  const more = {
    containers: containers.map(mounted),
    ...(initContainers === undefined ? {} : { initContainers: initContainers.map(mounted) }),
    volumes: [...volumes, volume],
  };
  return { ...pod, spec: { ...spec, ...more } };
}

export interface InjectedPod {
  readonly pod: unknown;
  readonly result: ReviewOutcome["result"];
  readonly reasons: readonly string[];
  readonly warnings: readonly string[];
}

/** The pod as a webhook makes it. */
export function injectedPod(
  review: Reviewer,
  { pod, namespace }: { readonly pod: object; readonly namespace: string },
): InjectedPod {
  const { body, result, reasons } = review({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid: "00000000-0000-0000-0000-000000000000",
      kind: { group: "", version: "v1", kind: "Pod" },
      resource: { group: "", version: "v1", resource: "pods" },
      operation: "CREATE",
      namespace,
      object: pod,
    },
  });
  const { patch, warnings } = body.response;
  const operations = patch === undefined ? [] : (JSON.parse(atob64(patch)) as readonly Operation[]);
  return { pod: operations.reduce<unknown>(applied, pod), result, reasons, warnings: warnings ?? [] };
}

function atob64(text: string): string {
  return Buffer.from(text, "base64").toString("utf8");
}

/** The operations of RFC 6902 that the webhook uses. */
interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value?: unknown;
}

function applied(document: unknown, { op, path, value }: Operation): unknown {
  const parts = path
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  const copy = structuredClone(document);
  const last = parts.pop() ?? "";
  const parent = parts.reduce<unknown>((at, part) => (at as Readonly<Record<string, unknown>>)[part], copy);
  if (Array.isArray(parent)) {
    const index = last === "-" ? parent.length : Number(last);
    parent.splice(index, op === "add" ? 0 : 1, ...(op === "remove" ? [] : [value]));
  } else if (op === "remove") delete (parent as Record<string, unknown>)[last];
  else (parent as Record<string, unknown>)[last] = value;
  return copy;
}
