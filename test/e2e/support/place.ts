import assert from "node:assert/strict";
import type { Cluster, KubeObject } from "../../harness/index.ts";
import { aStaticSecret } from "./world.ts";

/** A Secret as applications see it: values as text. */
export interface SecretView {
  readonly data: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly type: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly ownerReferences: readonly Readonly<Record<string, unknown>>[];
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
}

/** One namespace of one cluster, as people and their applications see it. */
export interface Place {
  readonly cluster: Cluster;
  readonly namespace: string;
  /** Declares a VaultStaticSecret. */
  declare(name: string, spec?: Readonly<Record<string, unknown>>): Promise<void>;
  /** Changes an annotation: what a person does who will not wait. */
  touch(name: string): Promise<void>;
  undeclare(name: string): Promise<void>;
  secret(name: string): Promise<SecretView | undefined>;
  /** Waits until the Secret is there and looks so. */
  secretThat(name: string, isSo: (secret: SecretView) => boolean, timeoutMs?: number): Promise<SecretView>;
  patchSecret(name: string, patch: object): Promise<void>;
  resource(name: string, kind?: string): Promise<KubeObject | undefined>;
  conditions(name: string, kind?: string): Promise<Readonly<Record<string, Condition>>>;
  /** Waits until all three conditions are True at the present generation. */
  synced(name: string, timeoutMs?: number): Promise<void>;
  /**
   * Waits until the conditions say that it failed by this code; checks conditions and event, answers the message.
   * `about`: what the message says, where one code has several reasons: a sync may be seen before a reference that was
   * made just before it, since each kind has a watch of its own.
   */
  failed(name: string, code: string, kind?: string, about?: RegExp): Promise<string>;
  events(
    name: string,
  ): Promise<readonly { readonly type: string; readonly reason: string; readonly message: string }[]>;
}

const API = "secrets.hashicorp.com/v1beta1";
const MERGE = { contentType: "application/merge-patch+json" };
const TYPES = ["SecretSynced", "Healthy", "Ready"] as const;
/** A machine that is busy is no defect, and what is met early costs nothing. */
const PATIENCE_MS = 90_000;

export function placeIn(cluster: Cluster, namespace: string): Place {
  const secretPath = (name: string) => `/api/v1/namespaces/${namespace}/secrets/${name}`;
  const place: Place = {
    cluster,
    namespace,
    declare: async (name, spec) => void (await cluster.apply(aStaticSecret(namespace, name, spec))),
    async touch(name) {
      const metadata = { annotations: { touched: new Date().toISOString() } };
      const path = `/apis/${API}/namespaces/${namespace}/vaultstaticsecrets/${name}`;
      assert.equal((await cluster.request("PATCH", path, { metadata }, MERGE)).status, 200);
    },
    undeclare: (name) => cluster.delete({ apiVersion: API, kind: "VaultStaticSecret", namespace, name }),
    async secret(name) {
      const found = await cluster.get({ apiVersion: "v1", kind: "Secret", namespace, name });
      return found && viewOf(found);
    },
    secretThat: (name, isSo, timeoutMs = PATIENCE_MS) =>
      cluster.waitFor(
        `Secret ${name}, so that ${isSo}`,
        async () => {
          const found = await place.secret(name);
          return found && isSo(found) && found;
        },
        timeoutMs,
      ),
    async patchSecret(name, patch) {
      const { status, text } = await cluster.request("PATCH", secretPath(name), patch, MERGE);
      assert.equal(status, 200, text);
    },
    resource: (name, kind = "VaultStaticSecret") => cluster.get({ apiVersion: API, kind, namespace, name }),
    conditions: async (name, kind) => conditionsOf(await place.resource(name, kind)),
    async synced(name, timeoutMs = PATIENCE_MS) {
      await cluster.waitFor(
        `${name} to be synced`,
        async () => {
          const resource = await place.resource(name);
          const conditions = conditionsOf(resource);
          return TYPES.every(
            (type) =>
              conditions[type]?.status === "True" &&
              conditions[type].observedGeneration === resource?.metadata.generation,
          );
        },
        timeoutMs,
      );
    },
    async failed(name, code, kind, about = /^/) {
      const isIt = ({ Ready }: Readonly<Record<string, Condition>>) =>
        Ready?.status === "False" && Ready.message.startsWith(`${code}: `) && about.test(Ready.message);
      // All three of one look: at the next one it may be mended.
      const conditions = await cluster.waitFor(
        `${name} to fail by ${code}, about ${about}`,
        async () => {
          const found = await place.conditions(name, kind);
          return isIt(found) && found;
        },
        PATIENCE_MS,
      );
      for (const type of TYPES) assert.equal(conditions[type]?.status, "False", type);
      await cluster.waitFor(
        `an event that says ${code}`,
        async () =>
          (await place.events(name)).some((event) => event.type === "Warning" && event.message.startsWith(code)),
        PATIENCE_MS,
      );
      return conditions.Ready?.message ?? "";
    },
    async events(name) {
      const query = `fieldSelector=involvedObject.name=${name}`;
      const { body } = await cluster.request<{ items: { type: string; reason: string; message: string }[] }>(
        "GET",
        `/api/v1/namespaces/${namespace}/events?${query}`,
      );
      return body.items.map(({ type, reason, message }) => ({ type, reason, message }));
    },
  };
  return place;
}

function conditionsOf(resource: KubeObject | undefined): Readonly<Record<string, Condition>> {
  const { conditions = [] } = (resource?.status ?? {}) as { conditions?: Condition[] };
  return Object.fromEntries(conditions.map((condition) => [condition.type, condition]));
}

function viewOf({ metadata, data = {}, type = "" }: KubeObject): SecretView {
  const texts = Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]);
  return {
    data: Object.fromEntries(texts),
    labels: metadata.labels ?? {},
    annotations: metadata.annotations ?? {},
    type,
    uid: metadata.uid ?? "",
    resourceVersion: metadata.resourceVersion ?? "",
    ownerReferences: metadata.ownerReferences ?? [],
  };
}
