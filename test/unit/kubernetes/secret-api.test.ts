import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ClusterClients } from "../../../lib/kubernetes/cluster-client.ts";
import type { KubeCall } from "../../../lib/kubernetes/kube-call.ts";
import { secretApi } from "../../../lib/kubernetes/secret-api.ts";
import type { DesiredSecret, SecretApi } from "../../../lib/ports/secrets.ts";
import { SecretValue } from "../../../lib/secret-value.ts";

const signal = new AbortController().signal;
const SECRET = { cluster: "east", namespace: "shop", name: "db" };
const OWNER = { apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: "o" };
const DATA = new Map([["user", SecretValue.of("ann")]]);
const DESIRED: DesiredSecret = { type: "Opaque", labels: {}, annotations: {}, ownerReference: OWNER, data: DATA };

/** VSO wrote it, so that its fields can be taken over. */
const METADATA = {
  ...{ ...SECRET, uid: "s", resourceVersion: "7", ownerReferences: [OWNER] },
  managedFields: [
    {
      ...{ manager: "vso", operation: "Update" },
      fieldsV1: { "f:metadata": { "f:labels": { "f:secrets.hashicorp.com/vso-ownerRefUID": {} } } },
    },
  ],
};

const WRITES: Readonly<Record<string, (api: SecretApi) => Promise<unknown>>> = {
  observe: (api) => api.observe(SECRET, "patch", signal),
  "observe by a dry run": (api) => api.observe(SECRET, "dry-run", signal),
  apply: (api) => api.apply(SECRET, DESIRED, { kind: "absent" }, signal),
  "rehearse an apply": (api) =>
    api.rehearse(SECRET, { kind: "apply", desired: DESIRED, precondition: { kind: "absent" } }, signal),
  "rehearse a replacement": (api) => api.rehearse(SECRET, { kind: "replace-data", uid: "s", data: DATA }, signal),
  dropKeys: (api) => api.dropKeys(SECRET, ["old"], "7", signal),
  replaceData: (api) => api.replaceData(SECRET, "s", DATA, signal),
  takeOverFields: (api) => api.takeOverFields(SECRET, "7", signal),
  standBeside: (api) => api.standBeside(SECRET, OWNER, { uid: "s", resourceVersion: "7" }, signal),
  dropOwner: (api) => api.dropOwner(SECRET, "o", { resourceVersion: "7", ownerReferences: [OWNER] }, signal),
};

describe("kubernetes-rules 14: a write of a Secret", () => {
  for (const [name, write] of Object.entries(WRITES)) {
    it(`asks for no validation, which would repeat the whole Secret: ${name}`, async () => {
      const calls: KubeCall[] = [];
      const clients = {
        async send(call: KubeCall) {
          calls.push(call);
          return { object: { apiVersion: "v1", kind: "Secret", metadata: METADATA, data: {} } };
        },
      } as unknown as ClusterClients;
      await write(secretApi({ clients, clock: () => 0 }));
      assert.ok(calls.length > 0);
      for (const { verb, query } of calls) assert.deepEqual([verb, query?.fieldValidation], ["patch", "Ignore"]);
    });
  }
});
