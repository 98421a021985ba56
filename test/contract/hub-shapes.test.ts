import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { awsAccess } from "../../lib/aws/aws-access.ts";
import { systemClock } from "../../lib/clock.ts";
import { folderFiles } from "../../lib/fleet/files.ts";
import type { Fleet } from "../../lib/fleet/fleet.ts";
import type { ClusterProfiles, Hub } from "../../lib/fleet/hub-schema.ts";
import { fleetConnections } from "../../lib/hubs/connections.ts";
import { liveFleet } from "../../lib/hubs/live-fleet.ts";
import { hubPass } from "../../lib/hubs/pass.ts";
import { simulatedSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { ARGOCD, adminConfig, argocdIn, caOf, clusterSecret } from "../e2e/support/hub.ts";
import { type Cluster, type EksStandIn, inForce, startCluster, startEksStandIn, tempFolder } from "../harness/index.ts";
import { type BasicProxy, basicProxy, connectProxy } from "./hubs/proxies.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const DEFAULTS: Hub["defaults"] = {
  labels: {},
  observe: "watch",
  namespaces: { include: ["*"], exclude: [] },
  operatorNamespace: "vso",
};
const PROFILES: ClusterProfiles["providers"] = [
  { name: "reader", execConfig: { command: "./bin/secretreader-plugin", args: [], env: [] } },
  { name: "kubeconfig-reader", execConfig: { command: "kubeconfig-secretreader-plugin", args: [], env: [] } },
  {
    name: "open-cluster-management",
    execConfig: { command: "./bin/cp-creds", args: ["--managed-serviceaccount=keyferry"], env: [] },
  },
  { name: "eks", execConfig: { command: "./bin/eks-aws-auth-plugin", args: [], env: [] } },
  { name: "strange", execConfig: { command: "/opt/strange-plugin", args: [], env: [] } },
];

const EKS = { cluster: "shop", region: "eu-central-1" };
const ROLE = "arn:aws:iam::111122223333:role/keyferry-shop";
const OWN = {
  accessKeyId: "AKIAEXAMPLEOFTESTS",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  arn: "arn:aws:iam::111122223333:user/keyferry",
};
const ENTRIES = { [OWN.arn]: ["system:masters"], [ROLE]: ["system:masters"] };

/** One API server is the hub, and the cluster of each of its objects. */
describe("what a hub's objects say of their clusters, on a real API server", { timeout: 300_000 }, () => {
  let hub: Cluster;
  let aws: EksStandIn;
  let token: string;
  let uid: string;
  const parts = new AsyncDisposableStack();

  before(async () => {
    const folder = parts.use(await tempFolder("hub-shapes"));
    aws = parts.use(await startEksStandIn({ ...EKS, own: OWN, roles: { [ROLE]: undefined }, entries: ENTRIES }));
    const webhook = join(folder.path, "webhook.yaml");
    await aws.writeWebhookConfig(webhook);
    const apiServerArgs = [
      `--authentication-token-webhook-config-file=${webhook}`,
      "--authentication-token-webhook-version=v1",
    ];
    hub = parts.use(await startCluster({ name: "hub", crds: [CLUSTER_PROFILES], apiServerArgs }));
    const certificateAuthority = { data: caOf(hub) };
    aws.describes({ name: EKS.cluster, status: "ACTIVE", endpoint: hub.url, certificateAuthority });
    Object.assign(process.env, aws.env);
    await argocdIn(hub);
    await hub.apply([
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "keyferry", namespace: ARGOCD } },
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRoleBinding",
        metadata: { name: "keyferry" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
        subjects: [{ kind: "ServiceAccount", name: "keyferry", namespace: ARGOCD }],
      },
    ]);
    const account = { namespace: ARGOCD, name: "keyferry" };
    await inForce(hub, account, { apiGroups: [""], resources: ["namespaces"], verbs: ["get"] });
    token = await hub.tokenFor(account);
    uid = (await hub.get({ apiVersion: "v1", kind: "Namespace", name: "kube-system" }))?.metadata.uid ?? "";
  });
  after(async () => {
    for (const name of Object.keys(aws?.env ?? {})) delete process.env[name];
    await parts.disposeAsync();
  });

  /** The hub's members after one pass, by object. */
  const passOver = async (kind: Pick<Hub, "argocd" | "clusterProfile">) => {
    await using leases = simulatedSqliteStore(undefined);
    const one: Hub = {
      name: "main",
      connect: { kubeconfig: { path: hub.kubeconfigPath } },
      ...kind,
      defaults: DEFAULTS,
    };
    const fleet: Fleet = { clusters: [], vaults: [], hubs: [one] };
    const live = liveFleet(fleet, leases);
    const connect = { files: folderFiles("/"), clock: systemClock, aws: awsAccess(systemClock), mayExec: false };
    const options = { fleet: () => live, connect, log: silent };
    const { clients, apis } = fleetConnections(options);
    try {
      const deps = { ...apis, leases, clock: systemClock, log: silent, forget: clients.forget };
      const signal = AbortSignal.timeout(60_000);
      const { state } = await hubPass(deps, { fleet, hub: one, accepted: new Set() }, signal);
      assert.equal(JSON.stringify(state).includes(token), false, "the state holds a token");
      assert.equal(state?.error, undefined);
      return new Map(state?.members.map((member) => [member.object.split("/")[1] ?? "", member]));
    } finally {
      clients.close();
    }
  };

  it("Argo CD: each way to log in", async () => {
    const proxy = parts.use(await connectProxy());
    const basic: BasicProxy = parts.use(await basicProxy(hub, { username: "ann", password: "pass", token }));
    const tlsClientConfig = { caData: caOf(hub) };
    const server = hub.url;
    const shapes: Readonly<Record<string, { readonly server: string; readonly config: object }>> = {
      bearer: { server: `${server}/`, config: { bearerToken: token, tlsClientConfig } },
      certificate: { server, config: adminConfig(hub) },
      "any-certificate": { server, config: { bearerToken: token, tlsClientConfig: { insecure: true } } },
      "server-name": {
        server,
        config: { bearerToken: token, tlsClientConfig: { ...tlsClientConfig, serverName: "kubernetes.default.svc" } },
      },
      proxy: { server, config: { bearerToken: token, tlsClientConfig, proxyUrl: proxy.url } },
      // Kubernetes has no basic authentication any more: a proxy that has stands before it.
      basic: {
        server: basic.url,
        config: { username: "ann", password: "pass", tlsClientConfig: { caData: basic.caData } },
      },
    };
    await hub.apply(Object.entries(shapes).map(([name, shape]) => clusterSecret(name, shape)));
    const members = await passOver({ argocd: { namespace: ARGOCD } });
    for (const name of Object.keys(shapes)) {
      assert.deepEqual([name, members.get(name)?.error?.message, members.get(name)?.uid], [name, undefined, uid]);
    }
    assert.ok(proxy.seen() > 0);
    const wrong = {
      server: basic.url,
      config: { username: "ann", password: "no", tlsClientConfig: { caData: basic.caData } },
    };
    await hub.apply(clusterSecret("basic", wrong));
    assert.equal((await passOver({ argocd: { namespace: ARGOCD } })).get("basic")?.error?.code, "KUBE_LOGIN_REFUSED");
    for (const name of Object.keys(shapes)) {
      await hub.delete({ apiVersion: "v1", kind: "Secret", namespace: ARGOCD, name });
    }
  });

  it("Argo CD: what can't be reached says why, and stops no other one", async () => {
    const config = { bearerToken: token, tlsClientConfig: { caData: caOf(hub) } };
    await hub.apply([
      clusterSecret("good", { server: hub.url, config }),
      clusterSecret("broken", { server: hub.url, config: {} }),
      clusterSecret("plain", { server: "http://127.0.0.1:1", config }),
      clusterSecret("in-cluster", { server: "https://kubernetes.default.svc", config: {} }),
      clusterSecret("silent", { server: "https://127.0.0.1:1", config }),
      clusterSecret("stranger", { server: hub.url, config: { execProviderConfig: { command: "/bin/steal" } } }),
    ]);
    const members = await passOver({ argocd: { namespace: ARGOCD } });
    assert.equal(members.get("good")?.uid, uid);
    const codes = [...members].map(([name, { error }]) => [name, error?.code]).sort();
    assert.deepEqual(Object.fromEntries(codes), {
      broken: "REFERENCE_INVALID",
      good: undefined,
      "in-cluster": "REFERENCE_INVALID",
      plain: "REFERENCE_INVALID",
      silent: "KUBE_UNREACHABLE",
      stranger: "UNSUPPORTED",
    });
  });

  it("Argo CD: an AWS login, however it is written, goes to the server that AWS names", async () => {
    await using thief = await basicProxy(hub, { username: "ann", password: "pass", token });
    const server = "https://0A1B2C3D.gr7.eu-central-1.eks.amazonaws.com";
    const exec = (command: string, args: readonly string[]) => ({ execProviderConfig: { command, args } });
    const named = { clusterName: `arn:aws:eks:${EKS.region}:111122223333:cluster/${EKS.cluster}` };
    const shapes: Readonly<Record<string, { readonly server: string; readonly config: object }>> = {
      "aws-auth-config": { server, config: { awsAuthConfig: { clusterName: "shop" } } },
      "with-a-role": { server, config: { awsAuthConfig: { clusterName: "shop", roleARN: ROLE } } },
      "argocd-k8s-auth": { server, config: exec("argocd-k8s-auth", ["aws", "--cluster-name", "shop"]) },
      "aws-cli": { server, config: exec("aws", ["eks", "get-token", "--cluster-name", "shop", "--output", "json"]) },
      authenticator: { server, config: exec("aws-iam-authenticator", ["token", "-i", "shop", "-r", ROLE]) },
      // Its own server and CA have no effect: it would get a token that is good for the cluster.
      thief: { server: thief.url, config: { awsAuthConfig: named, tlsClientConfig: { caData: thief.caData } } },
    };
    await hub.apply(Object.entries(shapes).map(([name, shape]) => clusterSecret(name, shape)));
    const members = await passOver({ argocd: { namespace: ARGOCD } });
    for (const name of Object.keys(shapes)) {
      assert.deepEqual([name, members.get(name)?.error?.message, members.get(name)?.uid], [name, undefined, uid]);
    }
    assert.ok(aws.verdicts.length > 0 && aws.verdicts.every(({ verdict }) => verdict === "accepted"));
    assert.equal(thief.seen(), 0);
  });

  it("ClusterProfiles: each access provider", async () => {
    const data = (value: string) => Buffer.from(value).toString("base64");
    const secret = (name: string, key: string, value: string) => ({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name, namespace: ARGOCD },
      data: { [key]: data(value) },
    });
    await hub.apply([
      secret("reader", "token", token),
      secret("older", "token", token),
      secret("ocm-keyferry", "token", token),
      secret("kube-kubeconfig", "value", hub.adminKubeconfig),
    ]);
    const extension = (config: object) => [{ name: "client.authentication.k8s.io/exec", extension: config }];
    const access = (provider: string, config?: object) => ({
      name: provider,
      cluster: {
        server: hub.url,
        "certificate-authority-data": caOf(hub),
        ...(config === undefined ? {} : { extensions: extension(config) }),
      },
    });
    const profiles: Readonly<Record<string, object>> = {
      reader: { accessProviders: [access("other"), access("reader", { clusterName: "reader" })] },
      older: { credentialProviders: [access("reader")] },
      ocm: { accessProviders: [access("open-cluster-management", { clusterName: "ocm" })] },
      kube: { accessProviders: [access("kubeconfig-reader", { name: "kube-kubeconfig", key: "value" })] },
      eks: { accessProviders: [access("eks", { clusterId: "shop", region: "eu-central-1" })] },
      thief: { accessProviders: [access("reader", { clusterName: "reader" })] },
      burglar: { accessProviders: [access("kubeconfig-reader", { name: "kube-kubeconfig", key: "value" })] },
      strange: { accessProviders: [access("strange")] },
      bare: {},
    };
    for (const [name, status] of Object.entries(profiles)) await profile(name, status);
    const members = await passOver({ clusterProfile: { namespace: ARGOCD, providers: PROFILES } });
    const found = Object.fromEntries([...members].map(([name, { uid: of, error }]) => [name, error?.code ?? of]));
    assert.deepEqual(found, {
      ...{ reader: uid, older: uid, ocm: uid, kube: uid, eks: uid },
      ...{ thief: "UNSUPPORTED", burglar: "UNSUPPORTED", strange: "UNSUPPORTED", bare: "REFERENCE_INVALID" },
    });
    assert.equal(members.get("reader")?.name, "the-reader");
  });

  const profile = async (name: string, status: object): Promise<void> => {
    const head = { apiVersion: "multicluster.x-k8s.io/v1alpha1", kind: "ClusterProfile" };
    const spec = { displayName: `the-${name}`, clusterManager: { name: "harness" } };
    await hub.apply({ ...head, metadata: { name, namespace: ARGOCD }, spec });
    const path = `/apis/multicluster.x-k8s.io/v1alpha1/namespaces/${ARGOCD}/clusterprofiles/${name}/status`;
    const contentType = "application/merge-patch+json";
    const answer = await hub.request("PATCH", path, { status }, { contentType });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  };
});

/** The kind without validation: its own CRD is not part of this repository. */
const CLUSTER_PROFILES = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: {
    name: "clusterprofiles.multicluster.x-k8s.io",
    annotations: { "api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/cluster-inventory-api" },
  },
  spec: {
    group: "multicluster.x-k8s.io",
    scope: "Namespaced",
    names: {
      kind: "ClusterProfile",
      plural: "clusterprofiles",
      singular: "clusterprofile",
      listKind: "ClusterProfileList",
    },
    versions: [
      {
        name: "v1alpha1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
      },
    ],
  },
};
