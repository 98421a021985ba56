import { type Clock, type EpochMs, MINUTE_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { HmacKeyFound } from "../ports/secrets.ts";
import { SECRET } from "../resource-kinds.ts";
import { accepted, type ClusterClients } from "./cluster-client.ts";
import type { KubeCall } from "./kube-call.ts";
import { isAbsent } from "./kube-failure.ts";
import { MANAGER } from "./managed-fields.ts";
import { textsAt } from "./shapes.ts";

const NAME = "vso-cc-storage-hmac-key";
const KEY_BYTES = 16;
const FOUND_MS = 10 * MINUTE_MS;
const MISSING_MS = MINUTE_MS;

/** VSO starts only with a key that looks like its own. */
const LABELS = {
  "app.kubernetes.io/name": "vault-secrets-operator",
  "app.kubernetes.io/managed-by": "hashicorp-vso",
  "app.kubernetes.io/component": "client-cache-storage-verification",
};

/** The key of VSO's MACs in a cluster; undefined when it is missing or may not be read. */
export function hmacKeys(clients: ClusterClients, clock: Clock) {
  const known = new Map<string, Asked>();
  return (cluster: string, namespace: string, signal: AbortSignal, madeAt = 0): Promise<Buffer | undefined> => {
    const place = `${cluster}/${namespace}`;
    const kept = known.get(place);
    if (kept && clock() < kept.until && (kept.isFound || kept.at > madeAt)) return kept.key;
    // First writes of many Secrets need it at the same time: they share one request.
    const read = findHmacKey(clients)(cluster, namespace, signal);
    const at = clock();
    const asked: Asked = { key: read.then((found) => keyOf(found)), at, until: at + MISSING_MS, isFound: false };
    known.set(place, asked);
    asked.key.then(
      (key) => {
        asked.isFound = key !== undefined;
        if (key) asked.until = clock() + FOUND_MS;
      },
      () => known.delete(place),
    );
    return asked.key;
  };
}

interface Asked {
  readonly key: Promise<Buffer | undefined>;
  readonly at: EpochMs;
  until: EpochMs;
  isFound: boolean;
}

function keyOf(found: HmacKeyFound): Buffer | undefined {
  return found.kind === "found" ? found.key : undefined;
}

/** Reads the key without a cache. */
export function findHmacKey(clients: ClusterClients) {
  return async (cluster: string, namespace: string, signal: AbortSignal): Promise<HmacKeyFound> => {
    const call: KubeCall = { cluster, verb: "get", kind: SECRET, namespace, name: NAME };
    try {
      const answer = await clients.send(call, signal);
      if ("failure" in answer && isAbsent(answer.failure, SECRET.resource)) return { kind: "absent" };
      const key = Buffer.from(textsAt(accepted(call, answer), "data").key ?? "", "base64");
      if (key.byteLength === KEY_BYTES) return { kind: "found", key };
      return { kind: "unusable", why: `Secret ${namespace}/${NAME} must hold ${KEY_BYTES} bytes under key` };
    } catch (error) {
      if (!(error instanceof SyncError) || error.code !== "KUBE_DENIED") throw error;
      return { kind: "unusable", why: error.message };
    }
  };
}

/** Creates the key as VSO would; an existing one stays. */
export function createHmacKey(clients: ClusterClients) {
  return async (cluster: string, namespace: string, key: Buffer, signal: AbortSignal): Promise<void> => {
    const metadata = { name: NAME, namespace, labels: LABELS };
    const data = { key: key.toString("base64") };
    const body = { apiVersion: "v1", kind: "Secret", type: "Opaque", immutable: true, metadata, data };
    const query = { fieldManager: MANAGER };
    const call: KubeCall = { cluster, verb: "create", kind: SECRET, namespace, query, body };
    const answer = await clients.send(call, signal);
    if ("failure" in answer && answer.failure.status?.reason === "AlreadyExists") return;
    accepted(call, answer);
  };
}
