import { type Clock, type EpochMs, MINUTE_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { SECRET } from "../kinds.ts";
import { accepted, type ClusterClients } from "./cluster-client.ts";
import { isAbsent } from "./kube-failure.ts";
import { textsAt } from "./shapes.ts";

const NAME = "vso-cc-storage-hmac-key";
const KEY_BYTES = 16;
const FOUND_MS = 10 * MINUTE_MS;
const MISSING_MS = MINUTE_MS;

/** The key that VSO makes its MACs with in a cluster (reference 5); undefined when it is not there or may not be read. */
export function hmacKeys(clients: ClusterClients, clock: Clock) {
  const known = new Map<string, { readonly key: Promise<Buffer | undefined>; until: EpochMs }>();
  return (cluster: string, namespace: string, signal: AbortSignal): Promise<Buffer | undefined> => {
    const place = `${cluster}/${namespace}`;
    const kept = known.get(place);
    if (kept && clock() < kept.until) return kept.key;
    // A first write of many Secrets asks for it many times at once: one request answers all.
    const asked = { key: readKey(clients, cluster, namespace, signal), until: clock() + MISSING_MS };
    known.set(place, asked);
    asked.key.then(
      (key) => {
        if (key) asked.until = clock() + FOUND_MS;
      },
      () => known.delete(place),
    );
    return asked.key;
  };
}

async function readKey(
  clients: ClusterClients,
  cluster: string,
  namespace: string,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const call = { cluster, verb: "get", kind: SECRET, namespace, name: NAME } as const;
  try {
    const answer = await clients.send(call, signal);
    if ("failure" in answer && isAbsent(answer.failure, "secrets")) return undefined;
    const key = Buffer.from(textsAt(accepted(call, answer), "data").key ?? "", "base64");
    return key.byteLength === KEY_BYTES ? key : undefined;
  } catch (error) {
    if (error instanceof SyncError && error.code === "KUBE_DENIED") return undefined;
    throw error;
  }
}
