import assert from "node:assert/strict";
import { applyPatch, type Operation } from "rfc6902";
import { type ReviewOutcome, review } from "../../../lib/injector/review.ts";
import { type InjectorOverrides, injectorSettings } from "../../../lib/injector-settings.ts";

/** A Pod as the API server sends it, and as it stores it. Only fields that the tests change have a type. */
export interface TestPod {
  metadata: { name?: string; generateName?: string; namespace?: string; annotations?: Record<string, string> };
  spec: {
    containers: TestContainer[];
    initContainers?: TestContainer[];
    volumes?: { name: string; [field: string]: unknown }[];
    [field: string]: unknown;
  };
  status?: { phase?: string };
}

export interface TestContainer {
  name: string;
  image?: string;
  command?: string[];
  args?: string[];
  env?: { name: string; value?: unknown; valueFrom?: unknown }[];
  volumeMounts?: { name: string; mountPath: string; [field: string]: unknown }[];
  [field: string]: unknown;
}

export const TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
export const VAULT = "https://vault.example.com:8200";

/** Annotations without the prefix of vault-k8s. */
export function vaultAnnotations(annotations: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(annotations).map(([name, value]) => [
      name.includes("/") ? name : `vault.hashicorp.com/${name}`,
      value,
    ]),
  );
}

/** Two containers, and the token that Kubernetes mounts into both. */
export function aPod(annotations: Readonly<Record<string, string>> = {}): TestPod {
  const mounts = () => [{ name: "kube-api-access-x", mountPath: TOKEN_PATH, readOnly: true }];
  return {
    metadata: {
      generateName: "shop-",
      annotations: vaultAnnotations({
        "agent-inject": "true",
        role: "shop",
        "agent-inject-secret-db": "kv/data/shop",
        "example.com/other": "kept",
        ...annotations,
      }),
    },
    spec: {
      serviceAccountName: "shop",
      containers: [
        { name: "web", image: "nginx:1.29", volumeMounts: mounts() },
        { name: "log", image: "fluent-bit:4", volumeMounts: mounts() },
      ],
      volumes: [
        {
          name: "kube-api-access-x",
          projected: { sources: [{ serviceAccountToken: { path: "token", expirationSeconds: 3607 } }] },
        },
      ],
    },
  };
}

export interface ReviewOptions {
  readonly namespace?: string;
  readonly operation?: string;
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly settings?: InjectorOverrides;
}

export function reviewOf(pod: unknown, options: ReviewOptions = {}): ReviewOutcome {
  const { namespace = "shop", operation = "CREATE", apiVersion = "admission.k8s.io/v1", kind = "Pod" } = options;
  const request = { uid: "1-2-3", kind: { group: "", version: "v1", kind }, namespace, operation, object: pod };
  const settings = injectorSettings({ vaultAddress: VAULT }, options.settings);
  return review({ apiVersion, kind: "AdmissionReview", request }, settings);
}

export function patchOf({ body }: ReviewOutcome): Operation[] {
  return JSON.parse(Buffer.from(body.response.patch ?? "", "base64").toString());
}

/** The Pod with its patch, applied by a library. */
export function patchedPod(pod: TestPod, outcome: ReviewOutcome): TestPod {
  const copy = structuredClone(pod);
  assert.deepEqual(
    applyPatch(copy, patchOf(outcome)).filter((error) => error !== null),
    [],
    "each operation applies",
  );
  return copy;
}

/** The same with the configurations of agents in readable form. */
export function readable(pod: TestPod): TestPod {
  const copy = structuredClone(pod);
  for (const { env = [] } of [...copy.spec.containers, ...(copy.spec.initContainers ?? [])]) {
    for (const one of env) if (one.name === "VAULT_CONFIG") one.value = configIn(one.value);
  }
  return copy;
}

function configIn(value: unknown): unknown {
  return JSON.parse(Buffer.from(String(value), "base64").toString());
}
