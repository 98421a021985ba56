import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { bootstrapJson, FORMATS } from "../../../cli/bootstrap/formats.ts";
import { type BootstrapFlags, type ClusterNeeds, clusterNeeds } from "../../../cli/bootstrap/needs.ts";
import { firstFleet } from "../../../cli/first-fleet.ts";
import { parseFleet } from "../../../lib/fleet/fleet.ts";
import { shellWord } from "../../../lib/util/shell.ts";

const FLAGS: BootstrapFlags = {
  account: "keyferry/keyferry",
  loginAccount: "vault",
  audience: "vault",
  kv: [],
  kv1: [],
  dynamic: [],
  pki: [],
};

const SERVER = "{server: {url: 'https://10.0.0.1:6443', caFile: ./ca.pem, tokenFile: ./to ken}}";
const FLEET = `
apiVersion: keyferry.dev/v1alpha1
kind: Fleet
clusters:
  - name: all
    connect: {kubeconfig: {path: ./a.kubeconfig}}
    vault: {address: https://vault.example.com}
  - name: named
    connect: ${SERVER}
    observe: apply
    namespaces: {include: [shop, "7"]}
    operatorNamespace: "123"
    vault: {address: https://vault.example.com, authMount: "it's mine"}
  - name: cloud
    connect: {eks: {cluster: prod, region: eu-central-1, roleArn: "arn:aws:iam::123456789012:role/keyferry"}}
    vault: {address: https://vault.example.com}
  - name: pushes
    connect: ${SERVER}
    vault: {address: https://vault.example.com, authMount: kubernetes-pushes}
    push:
      paths: ["kv/apps/{namespace}/**", "kv/{cluster}/{name}/x*", "old/a*b/*"]
      conflict: merge
      deletion: metadata
      identity: {mount: kubernetes-pushes, role: push, serviceAccount: {name: pusher}, audiences: [vault]}
  - name: resources
    connect: {kubeconfig: {path: ./resources}}
    vault: {address: https://vault.example.com, authMount: kubernetes-resources}
    push:
      kinds: [VaultPushSecret]
      paths: ["kv/apps/{namespace}/**"]
      identity: {mount: kubernetes-resources, role: push, serviceAccount: {name: pusher}, audiences: [vault]}
      choices:
        conflict: adopt
        deletion: metadata
        identities:
          - {name: narrow, mount: m, role: r, serviceAccount: {name: narrow}, audiences: [vault]}
  - name: central
    connect: ${SERVER}
    vault: {address: https://vault.example.com}
    push:
      paths: ["kv/apps/{namespace}/**"]
      identity: {mount: other, role: push, serviceAccount: {name: pusher, namespace: keyferry}, audiences: [vault]}
  - name: teams
    connect: ${SERVER}
    vault: {name: main, authMount: kubernetes-teams}
    push:
      paths: ["kv/apps/{namespace}/**"]
      identity: {mount: kubernetes-teams, role: push, serviceAccount: {name: pusher}, audiences: [vault], namespace: pushes}
  - name: homeless
    connect: ${SERVER}
vaults:
  - {name: main, addresses: ["https://vault.internal:8200"], namespace: admin/teams}
  - {name: other, addresses: ["https://other.internal:8200"]}
`;

function needs(cluster: string, flags: Partial<BootstrapFlags> = {}): ClusterNeeds {
  const fleet = parseFleet(FLEET, "fleet.yaml");
  return clusterNeeds({ fleet, folder: "/fleet", fileName: "fleet.yaml" }, cluster, { ...FLAGS, ...flags });
}

interface Printed {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: { readonly allowedNamespaces?: readonly string[] };
}

const objects = (of: ClusterNeeds): readonly Printed[] =>
  parseAllDocuments(FORMATS.yaml(of)).map((document) => document.toJS() as Printed);

describe("keyferry bootstrap", () => {
  it("prints a role for the whole cluster, or one in each namespace that is named", () => {
    const roles = (of: ClusterNeeds): readonly string[] =>
      objects(of)
        .filter(({ kind }) => kind.endsWith("Role"))
        .map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ""}`);
    assert.deepEqual(roles(needs("all")), ["ClusterRole ", "Role kube-system", "Role vault-secrets-operator-system"]);
    assert.deepEqual(roles(needs("named")).toSorted(), ["Role 123", "Role 7", "Role kube-system", "Role shop"]);
  });

  it("writes names that look like numbers as texts", () => {
    for (const { metadata } of objects(needs("named"))) {
      assert.equal(typeof metadata.name, "string");
      assert.equal(typeof (metadata.namespace ?? ""), "string");
    }
    const auth = objects(needs("named")).find(({ kind }) => kind === "VaultAuth");
    assert.deepEqual(auth?.spec?.allowedNamespaces, ["shop", "7"]);
  });

  it("explains each document and each rule of a role", () => {
    for (const name of ["all", "named"]) {
      const text = FORMATS.yaml(needs(name));
      for (const part of text.split("---\n")) assert.match(part, /^# (.|\n)+?\napiVersion/);
      const lines = text.split("\n");
      for (const [at, line] of lines.entries()) {
        if (line.startsWith("  - apiGroups")) assert.match(lines[at - 1] ?? "", /^ {2}# /);
      }
    }
  });

  it("binds the group of the access entry in EKS, and prints the command that makes it", () => {
    const text = FORMATS.yaml(needs("cloud"));
    assert.match(text, /subjects:\n {2}- kind: Group\n {4}apiGroup: rbac.authorization.k8s.io\n {4}name: keyferry\n/);
    assert.ok(!text.includes("keyferry-token"));
    assert.match(FORMATS.connect(needs("cloud")), /--principal-arn arn:aws:iam::123456789012:role\/keyferry/);
  });

  it("works in the Vault namespace of fleet.yaml, in every form", () => {
    assert.match(FORMATS.vault(needs("teams")), /set -eu\n\n# .*\nexport VAULT_NAMESPACE=admin\/teams\n/);
    assert.match(FORMATS.bao(needs("teams")), /^export BAO_NAMESPACE=admin\/teams$/m);
    assert.doesNotMatch(FORMATS.vault(needs("all")), /NAMESPACE=/);
    const [, push = ""] = FORMATS.vault(needs("teams")).split(/^# The Vault namespace of push\.identity\.$/m);
    assert.match(push, /^\nexport VAULT_NAMESPACE=pushes\n/);
    const own = FORMATS.terraform(needs("teams"));
    const resources = own.split(/^(?:resource|data) "vault_/m).slice(1);
    assert.deepEqual(
      resources.map((text) => /^ {2}namespace += "(.+)"$/m.exec(text)?.[1]),
      ["admin/teams", "admin/teams", "admin/teams", "admin/teams", "pushes", "pushes", "pushes"],
    );
    const { vault } = bootstrapJson(needs("teams")) as { vault: { namespace: string; push: { namespace: string } } };
    assert.deepEqual([vault.namespace, vault.push.namespace], ["admin/teams", "pushes"]);
  });

  it("quotes what a shell or YAML would take for something else", () => {
    assert.equal(shellWord("it's mine"), "'it'\\''s mine'");
    assert.ok(FORMATS.vault(needs("named")).includes("-path='it'\\''s mine'"));
    assert.ok(FORMATS.connect(needs("named")).includes("> '/fleet/to ken'"));
    assert.ok(FORMATS.terraform(needs("named")).includes('= "it\'s mine"'));
  });

  it("takes Vault's templates for texts, in a shell and in Terraform", () => {
    const path = { kv: ["kv/$HOME/{namespace}/*"] };
    assert.ok(FORMATS.vault(needs("all", path)).includes('path "kv/data/\\$HOME/{{identity.entity.aliases.$accessor.'));
    assert.match(FORMATS.terraform(needs("all")), /aliases\.\$\{vault_auth_backend\.keyferry_all\.accessor\}\./);
  });

  it("gives the policy the paths of the options, and no kv beside them", () => {
    const text = FORMATS.hcl(
      needs("all", { dynamic: ["database/creds/shop"], pki: ["pki/shop"], kv1: ["old/shop/*"] }),
    );
    const paths = [...text.matchAll(/^path "([^"]+)"/gm)].map(([, path]) => path);
    assert.deepEqual(paths.slice(0, 3), ["old/shop/*", "database/creds/shop", "pki/issue/shop"]);
    assert.ok(!text.includes("kv/"));
  });

  it("names all mistakes of its options at once", () => {
    const wrong = { account: "keyferry", loginAccount: "A", audience: "", kv: ["kv", "kv/../x", 'kv/a"b'] };
    assert.throws(
      () => needs("homeless", wrong),
      ({ complaints }: { complaints: readonly string[] }) =>
        [
          "--account",
          "--login-account",
          "--audience:",
          "--kv kv:",
          "--kv kv/../x",
          '--kv kv/a"b',
          "vault.address",
        ].every((part) => complaints.some((complaint) => complaint.includes(part))),
    );
    for (const vaultAddress of ["", "vault.example.com"]) {
      assert.throws(() => needs("all", { vaultAddress }), /--vault-address .*: must be a URL that begins with http/);
    }
    assert.throws(
      () => needs("nowhere"),
      /fleet.yaml has no cluster nowhere: it has all, named, cloud, pushes, resources, central, teams, homeless/,
    );
  });

  it("answers the same as JSON", () => {
    const answer = bootstrapJson(needs("named")) as { kubernetes: object[]; vault: { role: object } };
    assert.equal(answer.kubernetes.length, objects(needs("named")).length);
    assert.deepEqual(Object.entries(answer.vault.role)[2], ["bound_service_account_namespaces", ["shop", "7"]]);
  });
});

describe("keyferry bootstrap for pushes", () => {
  const rules = (text: string): Readonly<Record<string, string>> =>
    Object.fromEntries(
      [...text.matchAll(/^path "([^"]+)" \{\n {2}capabilities = \[([^\]]*)\]/gm)].map(([, path = "", list = ""]) => [
        path.replaceAll(/\{\{identity[^}]*\}\}/g, "NS"),
        list.replaceAll('"', ""),
      ]),
    );

  it("gives the login of pushes a policy of its own, for push.paths and nothing else", () => {
    const text = FORMATS.hcl(needs("pushes", { kv: ["kv/{namespace}/*"], kv1: ["old/x"] }));
    const [own = "", push = ""] = text.split("# A policy of its own, keyferry-push-pushes");
    assert.deepEqual(Object.keys(rules(own)), ["kv/data/NS/*", "old/x"]);
    assert.deepEqual(rules(push), {
      "kv/data/apps/NS/*": "create, read, update, patch",
      "kv/delete/apps/NS/*": "update",
      "kv/metadata/apps/NS/*": "patch, delete",
      "kv/data/pushes/+/x*": "create, read, update, patch",
      "kv/delete/pushes/+/x*": "update",
      "kv/metadata/pushes/+/x*": "patch, delete",
      "old/+/+": "create, read, update, delete",
    });
    assert.ok(!FORMATS.hcl(needs("all")).includes("push"));
  });

  it("allows neither patch nor deleted metadata where fleet.yaml asks for neither, and all namespaces to one account", () => {
    const [, push = ""] = FORMATS.hcl(needs("central")).split("# A policy of its own");
    assert.deepEqual(rules(push), {
      "kv/data/apps/+/*": "create, read, update",
      "kv/delete/apps/+/*": "update",
      "kv/metadata/apps/+/*": "patch",
    });
  });

  it("prints policy and role for a shell and for Terraform, by the mount of push.identity", () => {
    const shell = FORMATS.vault(needs("pushes"));
    assert.ok(shell.includes('path "kv/data/apps/{{identity.entity.aliases.$push_accessor.metadata.'));
    assert.match(shell, /vault write auth\/kubernetes-pushes\/role\/push token_policies=keyferry-push-pushes/);
    assert.match(shell, /bound_service_account_names=pusher/);
    const own = FORMATS.terraform(needs("pushes"));
    assert.match(own, /aliases\.\$\{vault_auth_backend\.keyferry_pushes\.accessor\}\./);
    assert.match(
      FORMATS.terraform(needs("central")),
      /backend += data\.vault_auth_backend\.keyferry_central_push\.path/,
    );
  });

  it("has the definition, the permissions and the capabilities for VaultPushSecrets where fleet.yaml names them", () => {
    const own = needs("resources");
    assert.match(FORMATS.crds(own), /name: vaultpushsecrets\.keyferry\.dev/);
    assert.doesNotMatch(FORMATS.crds(needs("pushes")), /keyferry\.dev/);
    assert.match(FORMATS.yaml(own), /resources: \[vaultpushsecrets\/status\]\n {4}verbs: \[patch\]/);
    assert.match(FORMATS.yaml(own), /resourceNames: \[pusher, narrow\]/);
    const [, push = ""] = FORMATS.hcl(own).split("# A policy of its own");
    assert.deepEqual(rules(push), {
      "kv/data/apps/NS/*": "create, read, update, patch",
      "kv/delete/apps/NS/*": "update",
      "kv/metadata/apps/NS/*": "patch, delete",
    });
    for (const text of [FORMATS.vault(own), FORMATS.terraform(own)])
      assert.match(text, /push\.choices\.identities: make the role of each by hand/);
  });

  it("prints the permissions in the cluster, and the account where it is one for all", () => {
    const text = FORMATS.yaml(needs("pushes"));
    assert.match(text, /resources: \[deployments\]\n {4}verbs: \[get, list, watch\]/);
    assert.match(text, /resourceNames: \[[^\]]*pusher[^\]]*\]/);
    const accounts = (name: string) =>
      objects(needs(name)).filter(({ kind, metadata }) => kind === "ServiceAccount" && metadata.name === "pusher");
    assert.deepEqual([accounts("pushes").length, accounts("central").length], [0, 1]);
  });

  it("answers the same as JSON", () => {
    const { vault } = bootstrapJson(needs("pushes")) as { vault: { push: { role: object; policy: { name: string } } } };
    assert.equal(vault.push.policy.name, "keyferry-push-pushes");
    assert.deepEqual(Object.entries(vault.push.role)[1], ["bound_service_account_names", ["pusher"]]);
  });
});

describe("keyferry init", () => {
  it("writes a fleet that keyferry takes, with the schema's line first", () => {
    const text = firstFleet({ cluster: "east", vaultAddress: "http://127.0.0.1:8200", schema: "fleet.schema.json" });
    assert.ok(text.startsWith("# yaml-language-server: $schema=fleet.schema.json\n"));
    const [cluster] = parseFleet(text, "fleet.yaml").clusters;
    assert.equal(cluster?.name, "east");
    assert.equal(cluster?.vault?.authMount, "kubernetes-east");
  });

  it("allows subscriptions to events of kv paths, and of nothing else, only if they are asked for", () => {
    const flags = { kv: ["kv/shop/*"], kv1: ["old/a"], pki: ["pki/web"] };
    const rules = (more: Partial<BootstrapFlags>) => FORMATS.vault(needs("all", { ...flags, ...more }));
    assert.doesNotMatch(rules({}), /subscribe/);
    const text = rules({ instantUpdates: true });
    assert.match(text, /path "sys\/events\/subscribe\/kv\*" \{\n {2}capabilities = \["read"\]/);
    for (const path of ["kv/data/shop/\\*", "old/a"]) {
      assert.match(
        text,
        new RegExp(
          `path "${path}" \\{\\n {2}capabilities = \\["read", "list", "subscribe"\\]\\n {2}subscribe_event_types`,
        ),
      );
    }
    assert.match(text, /path "pki\/issue\/web" \{\n {2}capabilities = \["update"\]\n\}/);
  });
});
