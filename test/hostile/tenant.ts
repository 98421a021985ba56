import type { Cluster } from "../harness/index.ts";
import type { Dice } from "./dice.ts";
import { type Nasty, nasty } from "./garbage.ts";

/** Where a tenant's hostility is aimed. */
export interface Targets {
  readonly namespace: string;
  /** Another one of the same tenant, where it speaks for other controllers. */
  readonly ofAnother: string;
  /** The Vault that everybody shares. */
  readonly vault: string;
  /** A Vault of the tenant's own, which answers at random, and a port that says nothing. */
  readonly ownVault: string;
  readonly silent: string;
  /** What belongs to others: a path in Vault, a namespace, a Secret's name. */
  readonly victim: { readonly namespace: string; readonly path: string };
}

const API = "secrets.hashicorp.com/v1beta1";
const MERGE = { contentType: "application/merge-patch+json" };
const JSON_PATCH = { contentType: "application/json-patch+json" };
const NAMES = ["a", "b", "c", "d", "e", "f"] as const;
const DURATIONS = ["0.001s", "1ms", "1s", "60s", "10000h", "-5s", "soon"] as const;
const HEADERS: readonly object[] = [
  { "X-Vault-Token": "x" },
  { "x-vault-namespace": "other" },
  { Host: "evil" },
  { a: "\u009b" },
];
const TEMPLATES = ["{{ .Secrets.x }}", "{{", '{{ repeat 1000000 "x" }}'];
const PLURALS = ["vaultconnections", "vaultauths", "vaultstaticsecrets"] as const;

type Act = (
  dice: Dice,
  at: Targets,
) => { readonly method: string; readonly path: string; readonly body?: unknown; readonly type?: object };

/** What goes through, three times out of four, so that it comes to more than a refusal. */
function mostly<T>(dice: Dice, good: T, others: readonly T[]): T {
  return dice.chance(0.75) ? good : dice.pick(others);
}

function object(kind: string, plural: string, name: string, { namespace }: Targets, spec: object): ReturnType<Act> {
  const body = { apiVersion: API, kind, metadata: { name, namespace }, spec };
  const path = `/apis/${API}/namespaces/${namespace}/${plural}/${name}?fieldManager=mallory&force=true`;
  return { method: "PATCH", path, body, type: { contentType: "application/apply-patch+yaml" } };
}

function addresses({ vault, ownVault, silent }: Targets): readonly string[] {
  return [
    vault,
    ownVault,
    `${ownVault}/sub`,
    silent,
    "http://169.254.169.254/latest/meta-data",
    "http://localhost:1",
    "http://[::1]:22",
    "http://[::ffff:127.0.0.1]:9464",
    "https://vault.invalid",
    "http://0.0.0.0:1",
    "ftp://vault",
    "http://user:pass@vault",
  ];
}

/** Everything that edit rights in one namespace allow. */
const ACTS: Readonly<Record<string, Act>> = {
  "a VaultConnection to anywhere": (dice, at) =>
    object("VaultConnection", "vaultconnections", dice.pick(NAMES), at, {
      address: mostly(dice, dice.pick([at.ownVault, at.vault]), addresses(at)),
      timeout: mostly(dice, "1s", DURATIONS),
      headers: mostly<object>(dice, {}, HEADERS),
      tlsServerName: mostly(dice, "", ["vault", "\u001b[2J"]),
      skipTLSVerify: dice.chance(0.5),
    }),
  "a VaultAuth of any method": (dice, at) => {
    const method = mostly(dice, "kubernetes", ["jwt", "appRole", "aws", "gcp", "what"]);
    return object("VaultAuth", "vaultauths", dice.pick(NAMES), at, {
      vaultConnectionRef: mostly(dice, dice.pick(NAMES), [`${at.victim.namespace}/default`, "default"]),
      method,
      mount: mostly(dice, "kubernetes-one", ["jwt", "../sys", "aws"]),
      allowedNamespaces: ["*"],
      kubernetes: { role: dice.pick(["app", "not yet initialized", "Vault is sealed"]), serviceAccount: "app" },
      jwt: { role: "app", serviceAccount: "app" },
      appRole: { roleId: "r", secretRef: dice.pick(NAMES) },
      aws: {
        role: "r",
        region: "eu-west-1",
        headerValue: "victim.example",
        stsEndpoint: at.ownVault,
        irsaServiceAccount: "app",
      },
      gcp: { role: "r", workloadIdentityServiceAccount: "app" },
    });
  },
  "an IAM role of its service account": (dice, at) => ({
    method: "PATCH",
    path: `/api/v1/namespaces/${at.namespace}/serviceaccounts/app`,
    body: {
      metadata: {
        annotations: {
          "eks.amazonaws.com/role-arn": mostly(dice, "arn:aws:iam::123456789012:role/app", ["no role"]),
          "eks.amazonaws.com/audience": mostly(dice, "sts.amazonaws.com", ["", "https://kubernetes.default.svc"]),
        },
      },
    },
    type: MERGE,
  }),
  "a sync": (dice, at) =>
    object("VaultStaticSecret", "vaultstaticsecrets", dice.pick(NAMES), at, {
      vaultAuthRef: mostly(dice, dice.pick(NAMES), [`${at.victim.namespace}/default`, `${at.victim.namespace}/own`]),
      type: mostly(dice, "kv-v2", ["kv-v1", "kv-v3"]),
      mount: mostly(dice, "kv", ["kv/../sys", "kv?x"]),
      path: dice.pick([at.victim.path, at.victim.path, "../x", "a", "%2e%2e/a"]),
      refreshAfter: mostly(dice, "1s", ["5s", "0s", "bad"]),
      rolloutRestartTargets: [{ kind: "Deployment", name: mostly(dice, "app", ["\u001b]0;x\u0007", "UPPER"]) }],
      destination: {
        name: mostly(dice, dice.pick(NAMES), ["app", "Not A Name"]),
        create: dice.chance(0.8),
        overwrite: dice.chance(0.5),
        ...(dice.chance(0.3) ? { transformation: { templates: { t: { text: dice.pick(TEMPLATES) } } } } : {}),
      },
    }),
  "nonsense for a spec": (dice, at) => {
    const plural = dice.pick(PLURALS);
    return {
      method: "PATCH",
      path: `/apis/${API}/namespaces/${at.namespace}/${plural}/${dice.pick(NAMES)}`,
      body: { spec: nasty(dice) },
      type: MERGE,
    };
  },
  "another manager's status of the future": (dice, at) => ({
    method: "PATCH",
    path: `/apis/${API}/namespaces/${at.ofAnother}/vaultstaticsecrets/${dice.pick(NAMES)}`,
    body: [
      {
        op: "add",
        path: "/metadata/managedFields/-",
        value: {
          manager: "vault-secrets-operator",
          operation: "Update",
          apiVersion: API,
          time: dice.pick(["2099-01-01T00:00:00Z", new Date().toISOString()]),
          fieldsType: "FieldsV1",
          fieldsV1: { "f:status": { "f:conditions": {} } },
          subresource: "status",
        },
      },
    ],
    type: JSON_PATCH,
  }),
  "owners and labels of a Secret": (dice, at) => ({
    method: "PATCH",
    path: `/api/v1/namespaces/${at.namespace}/secrets/${dice.pick(NAMES)}`,
    body: {
      metadata: {
        ownerReferences: dice.pick<Nasty>([
          null,
          [{ apiVersion: API, kind: "VaultStaticSecret", name: "db", uid: "someone-elses", controller: true }],
        ]),
        labels: { "secrets.hashicorp.com/vso-ownerRefUID": dice.pick(["x", "someone-elses"]) },
        finalizers: dice.pick<Nasty>([null, ["mallory.example/stays"]]),
      },
    },
    type: MERGE,
  }),
  "a Secret of its own": (dice, at) => ({
    method: "PATCH",
    path: `/api/v1/namespaces/${at.namespace}/secrets/${dice.pick(NAMES)}?fieldManager=mallory&force=true`,
    body: {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "ignored", namespace: at.namespace },
      stringData: { id: "x", "ca.crt": "no certificate", key: "0123456789abcdef" },
      immutable: dice.chance(0.1),
    },
    type: { contentType: "application/apply-patch+yaml" },
  }),
  "something gone": (dice, at) => ({
    method: "DELETE",
    path: dice.chance(0.5)
      ? `/apis/${API}/namespaces/${at.namespace}/${dice.pick(PLURALS)}/${dice.pick(NAMES)}`
      : `/api/v1/namespaces/${at.namespace}/secrets/${dice.pick(NAMES)}`,
  }),
};

/** One act of a tenant who means no good; answers its name. What the API server refuses does not happen, and is no fault. */
export async function actBadly(cluster: Cluster, dice: Dice, at: Targets): Promise<string> {
  const name = dice.pick(Object.keys(ACTS));
  const act = (ACTS[name] as Act)(dice, dice.chance(0.15) ? { ...at, namespace: at.ofAnother } : at);
  await cluster.request(act.method, act.path, bodyOf(act), act.type);
  return name;
}

/** The path says what the object is called. */
function bodyOf({ path, body }: ReturnType<Act>): unknown {
  if (typeof body !== "object" || body === null || !("metadata" in body) || !("apiVersion" in body)) return body;
  const name = path.split("?")[0]?.split("/").at(-1);
  return { ...body, metadata: { ...(body.metadata as object), name } };
}
