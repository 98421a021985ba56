import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "../../harness/index.ts";
import { type Place, placeIn } from "./place.ts";
import { type ScriptedApi, scriptedApi } from "./scripted-api.ts";
import { startWorld, type World } from "./world.ts";

const NAMESPACE = "shop";
/** What the proxy in front of the slow API server adds to each answer. */
const SLOW_MS = 1_500;

/** Four real API servers: a healthy one, one that is stopped, one behind a slow proxy, one that refuses our login. */
export interface SickClusters extends AsyncDisposable {
  readonly world: World;
  readonly healthy: Place;
  readonly sick: { readonly gone: Place; readonly slow: Place; readonly dead: Place };
  /** fleet.yaml with all four clusters, or with the healthy one alone. */
  writeFleet(which: "all" | "healthy"): Promise<void>;
  /** Requests to the slow API server so far. */
  slowRequests(): number;
  /** Refused logins at the API server with the dead credential so far. */
  refusedLogins(): Promise<number>;
}

export async function startSickClusters(): Promise<SickClusters> {
  await using started = new AsyncDisposableStack();
  const world = started.use(await startWorld({ clusters: ["healthy", "gone", "slow", "dead"] }));
  const places = world.clusters.map((cluster) => placeIn(cluster, NAMESPACE)) as [Place, Place, Place, Place];
  const [healthy, gone, slow, dead] = places;
  for (const { cluster } of places) await world.namespace(cluster, NAMESPACE);
  const proxy = started.use(await scriptedApi(slow.cluster, world.folder));
  const requests = slowly(proxy);
  const deadPath = join(world.folder, "dead.kubeconfig");
  await writeFile(deadPath, kubeconfigWithDeadToken(dead.cluster));
  const connects: Readonly<Record<string, string>> = { slow: proxy.kubeconfigPath, dead: deadPath };
  const parts = started.move();
  return {
    world,
    healthy,
    sick: { gone, slow, dead },
    slowRequests: requests,
    async writeFleet(which) {
      await world.writeFleet(({ name, kubeconfigPath }) =>
        which === "healthy" && name !== "healthy"
          ? undefined
          : { connect: { kubeconfig: { path: connects[name] ?? kubeconfigPath } } },
      );
    },
    async refusedLogins() {
      const { text } = await dead.cluster.request("GET", "/metrics");
      return Number(/^authentication_attempts\{result="(?:failure|error)"\} (\S+)$/m.exec(text)?.[1] ?? 0);
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** Delays and counts all requests. */
function slowly(proxy: ScriptedApi): () => number {
  let requests = 0;
  proxy.play((_request, _response, pass) => {
    requests += 1;
    setTimeout(pass, SLOW_MS);
    return true;
  });
  return () => requests;
}

function kubeconfigWithDeadToken({ url }: Cluster): string {
  return JSON.stringify({
    "current-context": "dead",
    clusters: [{ name: "dead", cluster: { server: url, "insecure-skip-tls-verify": true } }],
    users: [{ name: "dead", user: { token: "revoked-long-ago" } }],
    contexts: [{ name: "dead", context: { cluster: "dead", user: "dead" } }],
  });
}
