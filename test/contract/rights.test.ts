import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { customResourceDefinitions } from "../../lib/declarations/crd.ts";
import { SyncError } from "../../lib/errors.ts";
import { KINDS, type KindRef, SECRET } from "../../lib/resource-kinds.ts";
import { type KubernetesRight, kubernetesRights } from "../../lib/rights/kubernetes.ts";
import type { RightsSettings } from "../../lib/rights/needs.ts";
import { bindingYaml, type RoleName, roleYaml } from "../../lib/rights/rbac.ts";
import type { JsonObject } from "../../lib/util/json.ts";
import { type Cluster, startCluster, waitFor } from "../harness/index.ts";
import { ARGO_ROLLOUT_CRD, aWorkload } from "../workloads.ts";
import {
  aLease,
  aNamespace,
  base64,
  dataOf,
  endsOf,
  OWNER_LABELS,
  patient,
  type TestApis,
} from "./kubernetes-fixtures.ts";
import { shippedRole } from "./shipped-role.ts";

/** How many lives go on at the same time. */
const LANES = 6;

const DESTINATION = { name: "a", create: true };
const SPECS: Readonly<Record<string, object>> = {
  VaultConnection: { address: "https://vault.example.com" },
  VaultAuth: { method: "kubernetes", mount: "kubernetes" },
  VaultAuthGlobal: {},
  SecretTransformation: {},
  VaultStaticSecret: { mount: "kv", path: "a", type: "kv-v2", destination: DESTINATION },
  VaultDynamicSecret: { mount: "database", path: "creds/a", destination: DESTINATION },
  VaultPKISecret: { mount: "pki", role: "a", destination: DESTINATION },
};
const DECLARED = KINDS.filter((kind) => kind !== SECRET);
const STATIC: JsonObject = { lastGeneration: 1 };
const STATUS: Readonly<Record<string, JsonObject>> = {
  VaultConnection: { valid: true },
  VaultAuth: { valid: true, error: "" },
  SecretTransformation: { valid: true, error: "" },
  VaultStaticSecret: STATIC,
  VaultDynamicSecret: {
    ...STATIC,
    lastRenewalTime: 1,
    secretLease: { id: "a", duration: 60, renewable: true, requestID: "b" },
  },
  VaultPKISecret: { ...STATIC, lastRotation: 1, valid: true, error: "" },
};
const FINALIZED = ["VaultConnection", "VaultAuth", "VaultStaticSecret", "VaultDynamicSecret", "VaultPKISecret"];
const WORKLOADS = ["Deployment", "StatefulSet", "DaemonSet", "argo.Rollout"] as const;

/** Each permission of its own: one resource, one verb. */
function single(rights: readonly KubernetesRight[]): readonly KubernetesRight[] {
  return rights.flatMap(({ resources, verbs, ...right }) =>
    resources.flatMap((resource) => verbs.map((verb) => ({ ...right, resources: [resource], verbs: [verb] }))),
  );
}

function nameOf({ verbs, resources, use }: KubernetesRight): string {
  return `${verbs[0]} ${resources[0]} (${use})`;
}

/** Nothing needs it: shows that the comparison can tell. */
function needless(namespaces: RightsSettings["namespaces"]): KubernetesRight {
  const rule = { apiGroups: [""], resources: ["pods"], verbs: ["get"], namespaces: namespaces.include };
  return { use: "control", ...rule, need: "always", reason: "None." };
}

/** Answers that tell a refusal from a success; ids and versions differ anyway. */
const TOLD: readonly unknown[] = ["absent", "unreadable", "unusable", "found", "id"];

/** What came of a step: a refusal by its code; else whether it brought something. */
async function outcome(step: () => Promise<unknown>): Promise<string> {
  try {
    const value = await step();
    if (value === undefined || value === "") return "nothing";
    return TOLD.includes(value) ? String(value) : "done";
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    return error.code;
  }
}

type ResourceRef = Parameters<TestApis["resources"]["get"]>[0];
type Did = (step: () => Promise<unknown>) => Promise<void>;

/** A declared resource is read, told about in its status, and freed of its finalizer, as far as its kind has that. */
async function told(resources: TestApis["resources"], ref: ResourceRef, did: Did): Promise<void> {
  const signal = patient();
  let seen: Awaited<ReturnType<typeof resources.get>>;
  await did(async () => {
    seen = await resources.get(ref, signal);
    return seen;
  });
  const status = STATUS[ref.kind.kind];
  if (status) await did(() => resources.writeStatus(ref, status, seen?.resourceVersion ?? "1", signal));
  if (!FINALIZED.includes(ref.kind.kind)) return;
  await did(() => resources.removeFinalizers(ref, seen?.finalizers ?? ["x/y"], signal));
}

describe("kubernetes-rules 9: each permission that bootstrap prints", { concurrency: 1 }, () => {
  let cluster: Cluster;
  before(async () => {
    const crds = [...customResourceDefinitions().values(), ARGO_ROLLOUT_CRD];
    cluster = await startCluster({ name: "rights", crds });
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  /** A team's namespace and an operator's, with one resource of each kind where it belongs, and an account. */
  async function aPlace(settings: RightsSettings, rights: readonly KubernetesRight[]): Promise<void> {
    const [namespace = ""] = settings.namespaces.include;
    const operator = settings.operatorNamespace;
    await Promise.all([aNamespace(cluster, namespace), aNamespace(cluster, operator)]);
    const objects = DECLARED.map(({ kind, resource }) => {
      const finalizer = `${kind === "VaultPKISecret" ? resource : kind.toLowerCase()}.secrets.hashicorp.com/finalizer`;
      const finalizers = FINALIZED.includes(kind) ? { finalizers: [finalizer] } : {};
      const metadata = { namespace: placeOf(kind, settings), name: "a", ...finalizers };
      return { apiVersion: "secrets.hashicorp.com/v1beta1", kind, metadata, spec: SPECS[kind] };
    });
    const account = { namespace, name: "vault" };
    await cluster.apply([
      ...objects,
      { apiVersion: "v1", kind: "ServiceAccount", metadata: account },
      { apiVersion: "v1", kind: "Secret", metadata: { namespace: operator, name: "login" }, data: { id: base64("x") } },
      aLease({ namespace: operator }, "vso"),
      ...WORKLOADS.map((kind) => aWorkload(namespace, { kind, name: "a" })),
    ]);
    const bound = (role: { name: string; namespace?: string }, granted: readonly KubernetesRight[]) =>
      granted.length === 0 ? [] : [roleYaml(role, granted), bindingYaml(role, account)];
    const places = [...new Set(rights.flatMap(({ namespaces = [] }) => namespaces))];
    const ofCluster = rights.filter(({ namespaces }) => namespaces === undefined);
    const text = [
      ...bound({ name: namespace }, ofCluster),
      ...places.flatMap((place) => {
        const granted = rights.filter(({ namespaces }) => namespaces?.includes(place));
        return bound({ name: namespace, namespace: place }, granted);
      }),
    ];
    await cluster.apply(parseAllDocuments(text.join("---\n")).map((document) => document.toJS()));
    await inForce(settings);
  }

  /**
   * The API server learns of roles in their order, a moment after they are stored: a last one shows that all are known.
   * It learns of those of namespaces and of the cluster's apart from each other.
   */
  async function inForce({ namespaces }: RightsSettings): Promise<void> {
    const [namespace = ""] = namespaces.include;
    const account = { namespace, name: "vault" };
    await using client = await cluster.clientFor({ serviceAccount: account });
    const roles: readonly RoleName[] = [{ name: `${namespace}-all-last` }, { name: `${namespace}-last`, namespace }];
    for (const role of roles) {
      const right = { ...needless(namespaces), resources: ["endpoints"], resourceNames: [role.name] };
      const text = [roleYaml(role, [right]), bindingYaml(role, account)].join("---\n");
      await cluster.apply(parseAllDocuments(text).map((document) => document.toJS()));
      const path = `/api/v1/namespaces/${namespace}/endpoints/${role.name}`;
      await waitFor("the roles to be in force", async () => (await client.request("GET", path)).status === 404);
    }
  }

  function placeOf(kind: string, { namespaces, operatorNamespace }: RightsSettings): string {
    const isSync = ["VaultStaticSecret", "VaultDynamicSecret", "VaultPKISecret"].includes(kind);
    return isSync ? (namespaces.include[0] ?? "") : operatorNamespace;
  }

  /** Everything that keyferry does in a cluster, with these permissions alone; what came of each step. */
  async function life(settings: RightsSettings, rights: readonly KubernetesRight[]): Promise<readonly string[]> {
    await aPlace(settings, rights);
    const [namespace = ""] = settings.namespaces.include;
    const operator = settings.operatorNamespace;
    const apis = endsOf(cluster, await cluster.kubeconfigFor({ serviceAccount: { namespace, name: "vault" } }));
    const { clusters, resources, rollouts, secrets, credentials } = apis;
    const signal = patient();
    const at = { cluster: "rbac", namespace };
    const [secret, login] = [
      { ...at, name: "a" },
      { ...at, namespace: operator, name: "login" },
    ];
    const refOf = (kind: KindRef) => ({ cluster: "rbac", namespace: placeOf(kind.kind, settings), name: "a", kind });
    const found: string[] = [];
    const did = async (step: () => Promise<unknown>): Promise<void> => {
      found.push(await outcome(step));
    };
    try {
      await did(() => clusters.identity("rbac", signal));
      await did(() => clusters.namespaceUid("rbac", operator, signal));
      await did(() => clusters.markInstallation("rbac", operator, "id", signal));
      await did(async () => {
        const mark = await clusters.installation("rbac", operator, signal);
        return typeof mark === "string" ? mark : mark.id;
      });
      await did(() => clusters.vsoLease("rbac", operator, signal));
      const followed = settings.observe === "watch" ? KINDS : DECLARED;
      const pages = followed.map((kind) => async () => {
        const options = {
          metadataOnly: kind === SECRET,
          namespace: placeOf(kind === SECRET ? "VaultStaticSecret" : kind.kind, settings),
        };
        const page = await clusters.list("rbac", kind, options, undefined, signal);
        const since = { resourceVersion: page?.resourceVersion ?? "", seconds: 1 };
        for await (const _ of clusters.watch("rbac", kind, options, since, signal));
      });
      found.push(...(await Promise.all(pages.map(outcome))));
      if (settings.observe === "watch") {
        const options = { metadataOnly: true, namespace: operator, name: "login" };
        await did(async () => {
          const page = await clusters.list("rbac", SECRET, options, undefined, signal);
          const since = { resourceVersion: page?.resourceVersion ?? "", seconds: 1 };
          for await (const _ of clusters.watch("rbac", SECRET, options, since, signal));
        });
      }
      for (const kind of DECLARED) await told(resources, refOf(kind), did);
      const [made] = await cluster.apply({
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { namespace, name: "o" },
      });
      const event = { type: "Normal", reason: "SecretSynced", message: "x" } as const;
      for (const kind of DECLARED)
        await did(() => resources.emit(refOf(kind), made?.metadata.uid ?? "", event, Date.now(), signal));
      // A refused event fails nothing: it is just not there.
      await did(async () => {
        const events = await cluster.request("GET", `/api/v1/namespaces/${namespace}/events`);
        return events.text.includes("SecretSynced") ? "found" : "absent";
      });
      const ownerReference = { apiVersion: "v1", kind: "ServiceAccount", name: "o", uid: made?.metadata.uid ?? "" };
      const desired = {
        type: "Opaque",
        labels: OWNER_LABELS,
        annotations: {},
        ownerReference,
        data: dataOf({ a: "1" }),
      };
      await did(() => secrets.apply(secret, desired, { kind: "absent" }, signal));
      await did(() => secrets.observe(secret, settings.observe === "watch" ? "get" : "patch", signal));
      await did(() => secrets.createHmacKey("rbac", operator, Buffer.alloc(16, 7), signal));
      await did(async () => (await secrets.findHmacKey("rbac", operator, signal)).kind);
      await did(() => credentials.credential({ kind: "secret", ...login, key: "id" }, signal));
      const account = { kind: "serviceAccount", ...at, name: "vault" } as const;
      await did(() => credentials.credential({ ...account, audiences: [], expirationSeconds: 600 }, signal));
      await did(() => credentials.annotations(account, signal));
      for (const kind of WORKLOADS) {
        const target = { ...at, kind, name: "a" };
        const version = (await cluster.get(aWorkload(namespace, { kind, name: "a" })))?.metadata.resourceVersion ?? "";
        await did(() => rollouts.get(target, signal));
        await did(() => rollouts.restart(target, version, Date.now(), signal));
      }
      const { uid, resourceVersion } =
        (await cluster.get({ apiVersion: "v1", kind: "Secret", metadata: secret }))?.metadata ?? {};
      await did(() =>
        secrets.remove(secret, { uid: uid ?? "", resourceVersion: resourceVersion ?? "" } as never, signal),
      );
    } finally {
      apis.clients.close();
    }
    return found;
  }

  for (const observe of ["watch", "apply"] as const) {
    it(`is needed, and all together are enough: observe ${observe}`, { timeout: 240_000 }, async () => {
      const declared = { secrets: ["login"], serviceAccounts: ["vault"], cloudLogins: true };
      const { expected, useless } = await each(observe, observe, (settings) => kubernetesRights(settings, declared));
      assert.ok(!expected.includes("KUBE_DENIED"), expected.join(" "));
      assert.deepEqual(useless, ["get pods (control)"]);
    });

    it(`is needed in rbac.yaml, for whole clusters: keyferry-${observe}`, { timeout: 300_000 }, async () => {
      const rightsOf = await shippedRole(`keyferry-${observe}`);
      const { expected, useless } = await each(`whole-${observe}`, observe, ({ operatorNamespace }) =>
        rightsOf(operatorNamespace),
      );
      // As rbac.yaml says, keyferry-apply may not get the Secrets of logins.
      const denied = expected.filter((came) => came === "KUBE_DENIED").length;
      assert.equal(denied, observe === "watch" ? 0 : 1, expected.join(" "));
      assert.deepEqual(useless, ["get pods (control)"]);
    });
  }

  /** Lives with all permissions, and with all but one: what came of the first, and which of them nothing needs. */
  async function each(
    prefix: string,
    observe: RightsSettings["observe"],
    rightsOf: (settings: RightsSettings) => readonly KubernetesRight[],
  ): Promise<{ readonly expected: readonly string[]; readonly useless: readonly string[] }> {
    const settingsOf = (name: string): RightsSettings => ({
      observe,
      namespaces: { include: [name], exclude: [] },
      operatorNamespace: `${name}-operator`,
    });
    const whole = settingsOf(`${prefix}-all`);
    const all = single(rightsOf(whole));
    const expected = await life(whole, all);
    const waiting = Array.from({ length: all.length + 1 }, (_, index) => index);
    const useless: string[] = [];
    const lane = async (): Promise<void> => {
      for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) {
        const settings = settingsOf(`${prefix}-${index}`);
        const rights = [...single(rightsOf(settings)), needless(settings.namespaces)];
        const came = await life(
          settings,
          rights.filter((_, at) => at !== index),
        );
        const left = rights[index];
        if (left && came.join() === expected.join()) useless.push(nameOf(left));
        if (left?.use === "control") assert.deepEqual(came, expected);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    return { expected, useless };
  }
});
