import { SECRET, VAULT_STATIC_SECRET } from "../../lib/resource-kinds.ts";
import { SecretValue } from "../../lib/secret-value.ts";
import { apisOver, type TestApis } from "../contract/kubernetes-fixtures.ts";
import { outcomeOf, type Report, strayRejections, tally } from "./report.ts";
import { scriptedCluster } from "./scripted-cluster.ts";

const PASSWORD = "a-password-of-an-honest-application";
const WIDTH = 8;
const WITHIN_MS = 600;

const PLACE = { cluster: "evil", namespace: "evil", name: "d-1" };
const RESOURCE = { ...PLACE, kind: VAULT_STATIC_SECRET };
const ALL = { metadataOnly: true };
const ACCOUNT = { kind: "serviceAccount", ...PLACE, audiences: [], expirationSeconds: 600 } as const;
const DATA = new Map([["password", SecretValue.of(PASSWORD)]]);
const DESIRED = {
  type: "Opaque",
  labels: { a: "b" },
  annotations: {},
  ownerReference: { apiVersion: "secrets.hashicorp.com/v1beta1", kind: "VaultStaticSecret", name: "d-1", uid: "u" },
  data: DATA,
};

type Call = (apis: TestApis, signal: AbortSignal) => Promise<unknown>;

async function drained(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events);
}

/** Everything that is asked of a cluster. */
const CALLS: readonly Call[] = [
  ({ clusters }, signal) => clusters.identity("evil", signal),
  ({ clusters }, signal) => clusters.list("evil", VAULT_STATIC_SECRET, { metadataOnly: false }, undefined, signal),
  ({ clusters }, signal) => clusters.list("evil", SECRET, ALL, undefined, signal),
  ({ clusters }, signal) =>
    drained(
      clusters.watch(
        "evil",
        VAULT_STATIC_SECRET,
        { metadataOnly: false },
        { resourceVersion: "5", seconds: 1 },
        signal,
      ),
    ),
  ({ clusters }, signal) => drained(clusters.watch("evil", SECRET, ALL, { resourceVersion: "5", seconds: 1 }, signal)),
  ({ clusters }, signal) => clusters.installation("evil", "vso", signal),
  ({ clusters }, signal) => clusters.markInstallation("evil", "vso", "an-id", signal),
  ({ clusters }, signal) => clusters.namespaceUid("evil", "vso", signal),
  ({ clusters }, signal) => clusters.vsoLease("evil", "vso", signal),
  ({ resources }, signal) => resources.get(RESOURCE, signal),
  ({ resources }, signal) => resources.writeStatus(RESOURCE, { conditions: [] }, "5", signal),
  ({ resources }, signal) => resources.removeFinalizers(RESOURCE, ["a/b"], signal),
  ({ secrets }, signal) => secrets.observe(PLACE, "get", signal),
  ({ secrets }, signal) => secrets.observe(PLACE, "patch", signal),
  ({ secrets }, signal) => secrets.apply(PLACE, DESIRED, { kind: "absent" }, signal),
  ({ secrets }, signal) => secrets.dropKeys(PLACE, ["x"], "5", signal),
  ({ secrets }, signal) => secrets.replaceData(PLACE, "u", DATA, signal),
  ({ secrets }, signal) => secrets.takeOverFields(PLACE, "5", signal),
  ({ secrets }, signal) => secrets.remove(PLACE, { uid: "u", resourceVersion: "5" }, signal),
  ({ secrets }, signal) => secrets.ownedNames(PLACE, "u", signal),
  ({ secrets }, signal) => secrets.findHmacKey("evil", "vso", signal),
  ({ credentials }, signal) => credentials.credential(ACCOUNT, signal),
  ({ credentials }, signal) => credentials.secret(PLACE, signal),
  ({ credentials }, signal) => credentials.annotations(PLACE, signal),
  ({ rollouts }, signal) => rollouts.get({ ...PLACE, kind: "Deployment" }, signal),
  ({ rollouts }, signal) => rollouts.restart({ ...PLACE, kind: "argo.Rollout" }, "5", Date.now(), signal),
];

/** Asks an API server that answers at random until it gave `count` answers and watch lines: each call ends well or by a code. */
export async function apiAnswers(seed: number, count: number): Promise<Report> {
  using stray = strayRejections();
  await using server = await scriptedCluster({
    seed,
    badness: 0.8,
    lineBadness: 0.8,
    declarations: 5,
    vault: "http://127.0.0.1:1",
  });
  const text = JSON.stringify({
    "current-context": "evil",
    clusters: [{ name: "evil", cluster: { server: server.url, "insecure-skip-tls-verify": true } }],
    users: [{ name: "evil", user: { token: "t" } }],
    contexts: [{ name: "evil", context: { cluster: "evil", user: "evil" } }],
  });
  const apis = apisOver({ resolve: () => ({ kubeConfig: { text } }), timeoutMs: 200 });
  const outcomes = tally();
  const broke: string[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (server.answers < count && next < count * 2) {
      const at = next++;
      const call = CALLS[at % CALLS.length] as Call;
      const { kind, complaint } = await outcomeOf((signal) => call(apis, signal), WITHIN_MS, [PASSWORD]);
      outcomes.add(kind);
      if (complaint !== undefined) broke.push(`seed ${seed}, call ${at} (${call}): ${complaint}`);
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, worker));
  apis.clients.close();
  const tried = { answers: server.answers, ...outcomes.counts };
  return { part: "hostile API server, its answers", tried, broke: [...broke, ...stray.seen] };
}
