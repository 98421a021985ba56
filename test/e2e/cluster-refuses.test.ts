import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import type { Cluster } from "../harness/index.ts";
import { type RunningEngine, type StatusAnswer, startEngine } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import { type Place, placeIn } from "./support/place.ts";
import { statusThat } from "./support/status-that.ts";
import { OPERATOR_NAMESPACE, startWorld, type World } from "./support/world.ts";

const RBAC = new URL("../../infra/kubernetes/rbac.yaml", import.meta.url);
const API = "rbac.authorization.k8s.io";
const ACCOUNT = { namespace: OPERATOR_NAMESPACE, name: "keyferry" };
const PASSWORD = "Lp2-correct-horse-battery";

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** The rules of the shipped role, one for each resource and verb. */
async function shippedRules(role: string): Promise<readonly Rule[]> {
  const documents = parseAllDocuments(await readFile(RBAC, "utf8")).map((document) => document.toJS());
  const { rules } = documents.find(({ metadata }) => metadata.name === role) as { rules: Rule[] };
  return rules.flatMap(({ resources, verbs, ...rule }) =>
    resources.flatMap((resource) => verbs.map((verb) => ({ ...rule, resources: [resource], verbs: [verb] }))),
  );
}

/** What is granted in each namespace on its own; the rest holds everywhere. */
const BY_NAMESPACE = [
  "create secrets",
  "patch secrets",
  "create serviceaccounts/token",
  "patch vaultstaticsecrets/status",
];
const nameOf = ({ verbs, resources }: Rule): string => `${verbs[0]} ${resources[0]}`;

describe("the cluster refuses: coded errors that name what is missing, and others go on", () => {
  let world: World;
  let engine: RunningEngine;
  let cluster: Cluster;
  let rules: readonly Rule[];
  let place: Place;

  before(async () => {
    world = await startWorld();
    const [first] = world.clusters;
    if (!first) throw new Error("no cluster");
    cluster = first;
    rules = await shippedRules("keyferry-watch");
    await cluster.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata: ACCOUNT });
    await grantEverywhere(["list vaultpkisecrets"]);
    await team("team-a");
    place = placeIn(cluster, "team-a");
    const path = join(world.folder, "kubeconfig");
    await writeFile(path, await cluster.kubeconfigFor({ serviceAccount: ACCOUNT }), { mode: 0o600 });
    await world.writeFleet(() => ({ connect: { kubeconfig: { path } } }));
    await world.vault.putKv("kv", "good", { password: PASSWORD });
    engine = await startEngine(world);
    await place.declare("good");
    await place.synced("good");
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const isAllowed = async ({ apiGroups, resources, resourceNames = [], verbs }: Rule, namespace?: string) => {
    const [resource, subresource] = resources[0]?.split("/") ?? [];
    const [[group], [name], [verb]] = [apiGroups, resourceNames, verbs];
    const resourceAttributes = { group, resource, subresource, name, verb, namespace };
    const review = {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: { user: `system:serviceaccount:${ACCOUNT.namespace}:${ACCOUNT.name}`, resourceAttributes },
    };
    const path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    return (await cluster.request<{ status: { allowed: boolean } }>("POST", path, review)).body.status.allowed;
  };
  /** The API server follows rights a moment after their write: until then it would deny what a test is not about. */
  const bound = async (kind: string, metadata: { readonly namespace?: string }, granted: readonly Rule[]) => {
    const named = { ...metadata, name: "keyferry" };
    const roleRef = { apiGroup: API, kind, name: "keyferry" };
    const subjects = [{ kind: "ServiceAccount", ...ACCOUNT }];
    await cluster.apply([
      { apiVersion: `${API}/v1`, kind, metadata: named, rules: granted },
      { apiVersion: `${API}/v1`, kind: `${kind}Binding`, metadata: named, roleRef, subjects },
    ]);
    await cluster.waitFor("the rights to hold", async () =>
      (await Promise.all(granted.map((rule) => isAllowed(rule, metadata.namespace)))).every(Boolean),
    );
  };
  const grantEverywhere = (but: readonly string[] = []) =>
    bound(
      "ClusterRole",
      {},
      rules.filter((rule) => ![...BY_NAMESPACE, ...but].includes(nameOf(rule))),
    );
  const grant = (namespace: string, but?: string) =>
    bound(
      "Role",
      { namespace },
      rules.filter((rule) => BY_NAMESPACE.includes(nameOf(rule)) && nameOf(rule) !== but),
    );

  async function team(namespace: string, but?: string): Promise<Place> {
    await world.namespace(cluster, namespace);
    await grant(namespace, but);
    return placeIn(cluster, namespace);
  }
  const shown = ({ syncs }: StatusAnswer, key: string) => syncs.find((sync) => sync.key.endsWith(key));

  it("a Secret that is not ours is left alone, to the byte", async () => {
    const theirs = { apiVersion: "v1", kind: "Secret", metadata: { name: "theirs", namespace: "team-a" } };
    await cluster.apply({ ...theirs, data: { password: "dGhlaXJz" } });
    const was = await place.secret("theirs");
    await place.declare("theirs", { path: "good" });
    assert.match(await place.failed("theirs", "SECRET_NOT_OURS"), /app.kubernetes.io\/managed-by/);
    assert.deepEqual(await place.secret("theirs"), was);
    await cluster.delete(theirs);
    await place.touch("theirs");
    await place.synced("theirs");
  });

  it("two declarations of one Secret: the first keeps it", async () => {
    await place.declare("rival", { path: "good", destination: { name: "good", create: true } });
    assert.match(await place.failed("rival", "SECRET_NOT_OURS"), /ownerReferences/);
    await place.undeclare("rival");
    assert.equal((await place.secret("good"))?.data.password, PASSWORD);
  });

  it("a verb that is not granted is named with its resource and namespace", async () => {
    const closed = await team("no-secrets", "patch secrets");
    await closed.declare("good");
    assert.match(await closed.failed("good", "KUBE_DENIED"), /patch secrets .*no-secrets/);
    await grant("no-secrets");
    await closed.touch("good");
    await closed.synced("good");

    const speechless = await team("no-tokens", "create serviceaccounts/token");
    await speechless.declare("good");
    assert.match(await speechless.failed("good", "KUBE_DENIED"), /create serviceaccounts\/token .*no-tokens/);
    await grant("no-tokens");
    await speechless.touch("good");
    await speechless.synced("good");
  });

  it("a Secret is kept in step even where its status may not be written", async () => {
    const silent = await team("no-status", "patch vaultstaticsecrets/status");
    await silent.declare("good");
    await silent.secretThat("good", ({ data }) => data.password === PASSWORD);
    const answer = await statusThat(
      world,
      "the row to say it",
      (answer) => shown(answer, "no-status/good")?.error?.code === "KUBE_DENIED",
    );
    assert.match(shown(answer, "no-status/good")?.error?.message ?? "", /patch vaultstaticsecrets\/status/);
    await grant("no-status");
    await silent.touch("good");
    await silent.synced("good");
  });

  it("a kind that may not be listed is the cluster's error, and the other kinds are followed", async () => {
    await statusThat(
      world,
      "the cluster's error",
      ({ clusters }) => clusters[0]?.state === "failed" && clusters[0].error?.code === "KUBE_DENIED",
    );
    await grantEverywhere();
  });

  it("a namespace that is being deleted takes its syncs along, however long something holds it", async () => {
    const doomed = await team("doomed");
    await doomed.declare("good");
    await doomed.synced("good");
    const held = { name: "held", namespace: "doomed", finalizers: ["example.com/held"] };
    await cluster.apply({ apiVersion: "v1", kind: "ConfigMap", metadata: held });
    await cluster.delete({ apiVersion: "v1", kind: "Namespace", name: "doomed" });
    await cluster.waitFor("its declaration to go", async () => (await doomed.resource("good")) === undefined);
    await cluster.waitFor("its Secret to go", async () => (await doomed.secret("good")) === undefined);
    await statusThat(world, "its row to go", (answer) => !shown(answer, "doomed/good"));
    await cluster.apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { ...held, finalizers: [] } });
    const isGone = async () =>
      (await cluster.get({ apiVersion: "v1", kind: "Namespace", name: "doomed" })) === undefined;
    await cluster.waitFor("the namespace to go", isGone);
    const again = await team("doomed");
    await again.declare("good");
    await again.synced("good");
  });

  it("a declaration that a finalizer holds in a namespace that goes away makes no Secret anew", async () => {
    const stuck = await team("stuck");
    await stuck.declare("good");
    await stuck.synced("good");
    const finalizers = (list: readonly string[]) =>
      cluster.request(
        "PATCH",
        "/apis/secrets.hashicorp.com/v1beta1/namespaces/stuck/vaultstaticsecrets/good",
        { metadata: { finalizers: list } },
        { contentType: "application/merge-patch+json" },
      );
    await finalizers(["example.com/held"]);
    await cluster.delete({ apiVersion: "v1", kind: "Namespace", name: "stuck" });
    await cluster.waitFor("its Secret to go", async () => (await stuck.secret("good")) === undefined);
    await finalizers([]);
    await statusThat(world, "its row to go", (answer) => !shown(answer, "stuck/good"));
  });

  it("went on all the while, and is well again within a watch pass once everything is granted", async () => {
    await world.vault.putKv("kv", "good", { password: `${PASSWORD}-2` });
    for (const namespace of ["team-a", "no-secrets", "no-tokens", "no-status", "doomed"]) {
      await placeIn(cluster, namespace).secretThat("good", ({ data }) => data.password === `${PASSWORD}-2`);
    }
    await statusThat(
      world,
      "all to be well",
      ({ clusters, syncs }) => clusters[0]?.state === "ok" && syncs.every(({ state }) => state === "synced"),
      65_000,
    );
    assert.deepEqual(
      engine.logs.filter(({ level }) => level === "error"),
      [],
    );
    await assertNoLeak(world, engine, [PASSWORD]);
  });
});
