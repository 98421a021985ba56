import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { customResourceDefinitions, ownResourceDefinitions } from "../../lib/declarations/crd.ts";
import { accepted } from "../../lib/kubernetes/cluster-client.ts";
import type { ListOptions } from "../../lib/ports/clusters.ts";
import type { KindRef } from "../../lib/resource-kinds.ts";
import {
  KINDS,
  PUSHING_KINDS,
  REFERENCE_STATUS_KINDS,
  SECRET,
  VAULT_AUTH_GLOBAL,
  VAULT_DYNAMIC_SECRET,
  VAULT_PKI_SECRET,
  VAULT_PUSH_SECRET,
  VAULT_STATIC_SECRET,
} from "../../lib/resource-kinds.ts";
import type { JsonObject } from "../../lib/util/json.ts";
import { type Cluster, inForce, type Rule, startCluster } from "../harness/index.ts";
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
  withCode,
} from "./kubernetes-fixtures.ts";

const RBAC = new URL("../../infra/kubernetes/rbac.yaml", import.meta.url);
const PUSH_RBAC = new URL("../../infra/kubernetes/push.yaml", import.meta.url);
const NAMESPACE = "default";
const OPERATOR = "vault-secrets-operator-system";
const EVERYWHERE: ListOptions = { metadataOnly: false };
const SECRETS: ListOptions = { metadataOnly: true };

const DESTINATION = { name: "a", create: true };
const SPEC_OF: Readonly<Record<string, object>> = {
  VaultStaticSecret: { mount: "kv", path: "a", type: "kv-v2", destination: DESTINATION },
  VaultDynamicSecret: { mount: "database", path: "creds/a", destination: DESTINATION },
  VaultPKISecret: { mount: "pki", role: "a", destination: DESTINATION },
};
const STATUS_OF: Readonly<Record<string, JsonObject>> = {
  VaultStaticSecret: { lastGeneration: 1 },
  VaultDynamicSecret: {
    ...{ lastGeneration: 1, lastRenewalTime: 1 },
    secretLease: { id: "a", duration: 60, renewable: true, requestID: "b" },
  },
  VaultPKISecret: { lastGeneration: 1, lastRotation: 1, valid: true, error: "" },
};

describe("kubernetes-rules 9: the roles in infra/kubernetes/rbac.yaml", () => {
  let cluster: Cluster;
  const opened: TestApis[] = [];

  before(async () => {
    cluster = await startCluster({
      name: "rbac",
      crds: [...customResourceDefinitions().values(), ...ownResourceDefinitions().values(), ARGO_ROLLOUT_CRD],
      admissionPlugins: ["OwnerReferencesPermissionEnforcement"],
    });
    await aNamespace(cluster, OPERATOR);
    await cluster.apply(aLease({ namespace: NAMESPACE }, "vso"));
    for (const file of [RBAC, PUSH_RBAC]) {
      await cluster.apply(parseAllDocuments(await readFile(file, "utf8")).map((document) => document.toJS()));
    }
  });
  after(async () => {
    for (const apis of opened) apis.clients.close();
    await cluster?.[Symbol.asyncDispose]();
  });

  /** The ends as a service account that has this role and no other. */
  async function endsWith(role: string): Promise<TestApis> {
    const rbac = "rbac.authorization.k8s.io";
    await cluster.apply([
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace: NAMESPACE, name: role } },
      {
        apiVersion: `${rbac}/v1`,
        kind: "ClusterRoleBinding",
        metadata: { name: role },
        roleRef: { apiGroup: rbac, kind: "ClusterRole", name: role },
        subjects: [{ kind: "ServiceAccount", namespace: NAMESPACE, name: role }],
      },
    ]);
    const account = { namespace: NAMESPACE, name: role };
    const found = await cluster.get({ apiVersion: `${rbac}/v1`, kind: "ClusterRole", name: role });
    const [first] = (found?.rules ?? []) as readonly Rule[];
    await inForce(cluster, account, first ?? assert.fail(`no rules of ${role}`));
    const apis = endsOf(cluster, await cluster.kubeconfigFor({ serviceAccount: account }));
    opened.push(apis);
    return apis;
  }

  async function aDeclaration(name: string) {
    const finalizers = ["vaultstaticsecret.secrets.hashicorp.com/finalizer"];
    const spec = { mount: "kv", path: "a", type: "kv-v2", destination: { name, create: true } };
    const apiVersion = "secrets.hashicorp.com/v1beta1";
    const [made] = await cluster.apply({
      apiVersion,
      kind: "VaultStaticSecret",
      metadata: { namespace: NAMESPACE, name, finalizers },
      spec,
    });
    return { apiVersion, kind: "VaultStaticSecret", name, uid: made?.metadata.uid ?? "" };
  }

  async function mayRead(clients: TestApis["clients"], name: string): Promise<void> {
    const kind = { group: "", version: "v1", resource: "namespaces", kind: "Namespace" };
    const call = { cluster: "rbac", verb: "get", kind, name } as const;
    accepted(call, await clients.send(call, patient()));
  }

  for (const [role, how] of [
    ["keyferry-watch", "get"],
    ["keyferry-apply", "patch"],
  ] as const) {
    it(`${role} suffices for a declaration's whole life`, async () => {
      const { clients, clusters, resources, rollouts, secrets, credentials } = await endsWith(role);
      const signal = patient();
      const ownerReference = await aDeclaration(role);
      const ref = { cluster: "rbac", namespace: NAMESPACE, name: role, kind: VAULT_STATIC_SECRET };
      const secret = { cluster: "rbac", namespace: NAMESPACE, name: role };

      assert.ok(await clusters.identity("rbac", signal));
      assert.ok(await clusters.namespaceUid("rbac", OPERATOR, signal));
      await assert.rejects(() => mayRead(clients, "default"), withCode("KUBE_DENIED"));
      const mark = await clusters.markInstallation("rbac", NAMESPACE, "id", signal);
      assert.deepEqual(await clusters.installation("rbac", NAMESPACE, signal), mark);
      assert.equal(mark?.id, "id");
      assert.equal((await clusters.vsoLease("rbac", NAMESPACE, signal))?.holder, "vso");
      const followed = KINDS.filter((known) => known !== SECRET).map(async (kind) => {
        const page = await clusters.list("rbac", kind, EVERYWHERE, undefined, signal);
        const since = { resourceVersion: page?.resourceVersion ?? "", seconds: 1 };
        for await (const _ of clusters.watch("rbac", kind, EVERYWHERE, since, signal));
      });
      await Promise.all(followed);

      const desired = {
        type: "Opaque",
        labels: OWNER_LABELS,
        annotations: {},
        ownerReference,
        data: dataOf({ a: "1" }),
      };
      await secrets.rehearse(secret, { kind: "apply", desired, precondition: { kind: "absent" } }, signal);
      const created = await secrets.apply(secret, desired, { kind: "absent" }, signal);
      const at = { kind: "as-seen", uid: created.uid, resourceVersion: created.resourceVersion } as const;
      await secrets.rehearse(secret, { kind: "apply", desired, precondition: at }, signal);
      await secrets.rehearse(secret, { kind: "replace-data", uid: created.uid, data: desired.data }, signal);
      const changed = await secrets.apply(secret, { ...desired, data: dataOf({ a: "2" }) }, at, signal);
      assert.ok(await secrets.observe(secret, how, signal));
      await secrets.dropKeys(secret, ["b"], changed.resourceVersion, signal);
      const seen = await secrets.observe(secret, how, signal);
      await secrets.replaceData(secret, created.uid, dataOf({ a: "3" }), signal);
      const next = await aDeclaration(`${role}-next`);
      const alone = await secrets.observe(secret, how, signal);
      await secrets.standBeside(secret, next, alone ?? at, signal);
      const both = await secrets.observe(secret, how, signal);
      await secrets.dropOwner(secret, next.uid, both ?? assert.fail(), signal);

      const found = await resources.get(ref, signal);
      assert.ok(found && seen);
      await resources.writeStatus(ref, { lastGeneration: 1 }, found.resourceVersion, signal);
      const event = { type: "Normal", reason: "SecretSynced", message: "x" } as const;
      await resources.emit(ref, found.uid, event, Date.now(), signal);
      await resources.change(ref, found.uid, { addFinalizers: [], annotations: { marked: "yes" } }, signal);
      await secrets.createHmacKey("rbac", NAMESPACE, Buffer.alloc(16, 7), signal);
      assert.equal((await secrets.findHmacKey("rbac", NAMESPACE, signal)).kind, "found");
      await resources.removeFinalizers(ref, found.finalizers, signal);
      assert.deepEqual((await resources.get(ref, signal))?.finalizers, []);

      for (const kind of ["Deployment", "StatefulSet", "DaemonSet", "argo.Rollout"] as const) {
        const target = { cluster: "rbac", namespace: NAMESPACE, kind, name: role };
        await cluster.apply(aWorkload(NAMESPACE, target));
        const { resourceVersion } = (await rollouts.get(target, signal)) ?? {};
        assert.equal(await rollouts.restart(target, resourceVersion ?? "", Date.now(), signal), true);
      }

      const account = { kind: "serviceAccount", cluster: "rbac", namespace: NAMESPACE, name: "default" } as const;
      assert.ok(await credentials.credential({ ...account, audiences: [], expirationSeconds: 600 }, signal));
      assert.ok(await credentials.annotations(account, signal));
      const left = await secrets.observe(secret, how, signal);
      assert.ok(left);
      await secrets.remove(secret, left, signal);
    });
  }

  for (const role of ["keyferry-watch", "keyferry-apply"]) {
    for (const kind of [VAULT_STATIC_SECRET, VAULT_DYNAMIC_SECRET, VAULT_PKI_SECRET]) {
      it(`${role} suffices for what is told of a ${kind.kind}, and for its end`, async () => {
        const { resources } = await endsWith(role);
        const signal = patient();
        const finalizer = kind.finalizer ?? assert.fail();
        const name = `${role}-${kind.resource}`;
        const metadata = { namespace: NAMESPACE, name, finalizers: [finalizer] };
        const apiVersion = "secrets.hashicorp.com/v1beta1";
        const [made] = await cluster.apply({ apiVersion, kind: kind.kind, metadata, spec: SPEC_OF[kind.kind] });
        const ref = { cluster: "rbac", namespace: NAMESPACE, name, kind };
        const found = (await resources.get(ref, signal)) ?? assert.fail();
        await resources.writeStatus(ref, STATUS_OF[kind.kind] ?? {}, found.resourceVersion, signal);
        const event = { type: "Warning", reason: "LeaseAtRisk", message: "x" } as const;
        await resources.emit(ref, made?.metadata.uid ?? "", event, Date.now(), signal);
        await resources.removeFinalizers(ref, [finalizer], signal);
        assert.deepEqual((await resources.get(ref, signal))?.finalizers, []);
      });
    }
  }

  for (const role of ["keyferry-push-watch", "keyferry-push-poll"]) {
    it(`${role} suffices for pushes, and allows no write of what is pushed`, async () => {
      const { clusters, resources, secrets, credentials } = await endsWith(role);
      const signal = patient();
      const place = { cluster: "rbac", namespace: NAMESPACE };
      const finalizers = ["vault-sync.io/finalizer"];
      const source = { apiVersion: "v1", kind: "Secret", metadata: { namespace: NAMESPACE, name: role, finalizers } };
      await cluster.apply({ ...source, data: { a: base64("1") } });
      await cluster.apply({
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { namespace: NAMESPACE, name: "keyferry-push" },
      });
      for (const kind of Object.values(PUSHING_KINDS).filter((one) => one !== SECRET || role.endsWith("watch"))) {
        const page = await clusters.list("rbac", kind, SECRETS, undefined, signal);
        const since = { resourceVersion: page?.resourceVersion ?? "", seconds: 1 };
        for await (const _ of clusters.watch("rbac", kind, SECRETS, since, signal));
        await resources.get({ ...place, name: role, kind }, signal);
      }
      const seen = await secrets.observe({ ...place, name: role }, "get", signal);
      assert.ok(seen);
      await cluster.apply({
        apiVersion: "keyferry.dev/v1alpha1",
        kind: "VaultPushSecret",
        metadata: { namespace: NAMESPACE, name: role, finalizers },
        spec: { destination: { mount: "kv", path: "a" }, sources: [{ secretRef: { name: role } }] },
      });
      const own = { ...place, name: role, kind: VAULT_PUSH_SECRET };
      const { resourceVersion } = (await resources.get(own, signal)) ?? assert.fail();
      await resources.writeStatus(own, { lastGeneration: 1 }, resourceVersion, signal);
      await assert.rejects(() => resources.removeFinalizers(own, finalizers, signal), withCode("KUBE_DENIED"));
      const account = { kind: "serviceAccount", ...place, audiences: ["vault"], expirationSeconds: 600 } as const;
      assert.ok(await credentials.credential({ ...account, name: "keyferry-push" }, signal));
      await assert.rejects(
        () => credentials.credential({ ...account, name: "default" }, signal),
        withCode("KUBE_DENIED"),
      );
      await assert.rejects(() => secrets.remove({ ...place, name: role }, seen, signal), withCode("KUBE_DENIED"));
      if (role.endsWith("watch"))
        await resources.removeFinalizers({ ...place, name: role, kind: SECRET }, finalizers, signal);
      else {
        const list = clusters.list("rbac", SECRET, SECRETS, undefined, signal);
        await assert.rejects(() => list, withCode("KUBE_DENIED"));
      }
    });
  }

  it("keyferry-watch follows Secrets and reads credentials; keyferry-apply does neither, but the MAC key", async () => {
    const [watch, apply] = [await endsWith("keyferry-watch"), await endsWith("keyferry-apply")];
    const signal = patient();
    const key = base64("0123456789abcdef");
    const metadata = { namespace: NAMESPACE, name: "credential" };
    await cluster.apply({ apiVersion: "v1", kind: "Secret", metadata, data: { key } });
    const secret = { kind: "secret", cluster: "rbac", namespace: NAMESPACE, name: "credential", key: "key" } as const;
    assert.ok(await watch.clusters.list("rbac", SECRET, SECRETS, undefined, signal));
    assert.ok(await watch.credentials.credential(secret, signal));
    assert.ok(await watch.secrets.hmacKey("rbac", NAMESPACE, signal));
    assert.ok(await apply.secrets.hmacKey("rbac", NAMESPACE, signal));
    await assert.rejects(() => apply.credentials.credential(secret, signal), withCode("KUBE_DENIED"));
    await assert.rejects(
      () => apply.clusters.list("rbac", SECRET, SECRETS, undefined, signal),
      withCode("KUBE_DENIED"),
    );
  });

  it("allow the status of each kind that has one to be written, no other, and no other ConfigMap to be read", async () => {
    for (const role of ["keyferry-watch", "keyferry-apply"]) {
      const { resources, clients } = await endsWith(role);
      const kind = { group: "", version: "v1", resource: "configmaps", kind: "ConfigMap" };
      const call = { cluster: "rbac", verb: "get", kind, namespace: NAMESPACE, name: "kube-root-ca.crt" } as const;
      const answer = await clients.send(call, patient());
      assert.equal("failure" in answer && answer.failure.http, 403);
      const write = (kind: KindRef) => resources.writeStatus({ ...absent, kind }, {}, "1", patient());
      const absent = { cluster: "rbac", namespace: NAMESPACE, name: "a" };
      await assert.rejects(() => write(VAULT_AUTH_GLOBAL), withCode("KUBE_DENIED"));
      for (const kind of REFERENCE_STATUS_KINDS) await assert.rejects(() => write(kind), withCode("REFERENCE_MISSING"));
    }
  });
});
