import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { clusterWideRights, type KubernetesRight, kubernetesRights } from "../../../lib/rights/kubernetes.ts";
import type { PushRights, RightsSettings } from "../../../lib/rights/needs.ts";
import { bindingYaml, roleYaml } from "../../../lib/rights/rbac.ts";

const EVERYWHERE: RightsSettings = {
  observe: "watch",
  namespaces: { include: ["*"], exclude: ["kube-system"] },
  operatorNamespace: "platform",
};
const NAMED: RightsSettings = { ...EVERYWHERE, namespaces: { include: ["shop", "billing"], exclude: [] } };

const of = (rights: readonly KubernetesRight[], use: string): readonly KubernetesRight[] =>
  rights.filter((right) => right.use === use);
const one = (rights: readonly KubernetesRight[], use: string): KubernetesRight =>
  of(rights, use)[0] ?? assert.fail(`no ${use}`);

describe("the permissions of a cluster", () => {
  it("are for the whole cluster when a pattern names its namespaces", () => {
    const rights = kubernetesRights({ ...EVERYWHERE, namespaces: { include: ["team-*"], exclude: [] } });
    assert.equal(one(rights, "secrets").namespaces, undefined);
    assert.equal(one(rights, "references").namespaces, undefined);
    assert.deepEqual(one(rights, "installation").namespaces, ["platform"]);
    assert.deepEqual(one(rights, "cluster-identity").namespaces, ["kube-system"]);
  });

  it("are for each namespace that is named, and what is referred to for the operator's too", () => {
    const rights = kubernetesRights(NAMED);
    assert.deepEqual(one(rights, "secrets").namespaces, ["shop", "billing"]);
    assert.deepEqual(one(rights, "references").namespaces, ["shop", "billing", "platform"]);
    assert.deepEqual(one(rights, "operator-identity").resourceNames, ["platform"]);
    assert.ok(rights.every(({ namespaces }) => namespaces !== undefined));
  });

  it("are more for pushes, and without list and watch on Secrets when these are polled", () => {
    const identity = { serviceAccount: { name: "pusher" } };
    const namespaces = { include: ["*"], exclude: [] };
    const push = { kinds: ["Deployment", "CronJob"], namespaces, secrets: "poll", identity } as const;
    const rights = kubernetesRights({ ...EVERYWHERE, observe: "apply", push });
    assert.deepEqual(
      of(rights, "push-objects").map(({ resources }) => resources),
      [["deployments"], ["cronjobs"]],
    );
    assert.deepEqual(one(rights, "push-secrets").verbs, ["get"]);
    assert.ok(kubernetesRights(EVERYWHERE).every(({ use }) => !use.startsWith("push-")));
  });

  it("for pushes are in the namespaces that may push, and for their login where its account is", () => {
    const push = { kinds: ["Deployment"], namespaces: { include: ["shop"], exclude: [] }, secrets: "watch" } as const;
    const at = (namespaces: RightsSettings["namespaces"], serviceAccount: { name: string; namespace?: string }) => {
      const settings = { ...EVERYWHERE, namespaces, push: { ...push, identity: { serviceAccount } } };
      const rights = kubernetesRights(settings, { serviceAccounts: [] });
      return ["push-objects", "push-login"].map((use) => of(rights, use)[0]?.namespaces);
    };
    assert.deepEqual(at(EVERYWHERE.namespaces, { name: "pusher" }), [["shop"], ["shop"]]);
    assert.deepEqual(at(NAMED.namespaces, { name: "pusher", namespace: "keyferry" }), [["shop"], ["keyferry"]]);
    assert.deepEqual(at({ include: ["other"], exclude: [] }, { name: "pusher" }), [undefined, undefined]);
    const pattern = {
      ...push,
      namespaces: { include: ["b*"], exclude: [] },
      identity: { serviceAccount: { name: "p" } },
    };
    assert.deepEqual(one(kubernetesRights({ ...NAMED, push: pattern }), "push-objects").namespaces, ["billing"]);
  });

  it("for VaultPushSecrets are their own, and tokens of each login where its account is", () => {
    const login = (name: string, namespace?: string) => ({
      serviceAccount: { name, ...(namespace === undefined ? {} : { namespace }) },
    });
    const push: PushRights = {
      kinds: ["VaultPushSecret"],
      namespaces: { include: ["shop"], exclude: [] },
      secrets: "poll",
      identity: login("pusher"),
      choices: { identities: [login("narrow"), login("central", "keyferry"), login("pusher")] },
    };
    const rights = kubernetesRights({ ...NAMED, namespaces: push.namespaces, push }, { serviceAccounts: [] });
    assert.deepEqual(
      ["push-resources", "push-status"].map((use) => {
        const { apiGroups, resources, verbs, namespaces } = one(rights, use);
        return [apiGroups, resources, verbs, namespaces];
      }),
      [
        [["keyferry.dev"], ["vaultpushsecrets"], ["get", "list", "watch"], ["shop"]],
        [["keyferry.dev"], ["vaultpushsecrets/status"], ["patch"], ["shop"]],
      ],
    );
    assert.deepEqual([of(rights, "push-objects"), of(rights, "push-finalizers")], [[], []]);
    assert.deepEqual(
      of(rights, "push-login").map(({ resourceNames, namespaces }) => [resourceNames, namespaces]),
      [
        [["pusher", "narrow"], ["shop"]],
        [["central"], ["keyferry"]],
      ],
    );
  });

  it("leave out what another permission includes", () => {
    assert.deepEqual(of(kubernetesRights(EVERYWHERE), "hmac-key"), []);
    assert.equal(of(kubernetesRights(NAMED), "hmac-key").length, 1);
    const served = kubernetesRights({ ...NAMED, operatorNamespace: "shop" });
    assert.deepEqual(of(served, "make-hmac-key"), []);
    const verbs = clusterWideRights({ ...NAMED, observe: "apply" }).filter(({ resources }) =>
      resources.includes("secrets"),
    );
    assert.deepEqual(
      verbs.map(({ use }) => use),
      ["secrets", "hmac-key"],
    );
  });

  it("let no Secret be listed or watched with observe: apply", () => {
    for (const { resources, verbs, resourceNames } of kubernetesRights({ ...EVERYWHERE, observe: "apply" })) {
      if (!resources.includes("secrets")) continue;
      assert.ok(!verbs.includes("list") && !verbs.includes("watch"));
      if (verbs.includes("get")) assert.deepEqual(resourceNames, ["vso-cc-storage-hmac-key"]);
    }
  });

  it("do without the creation of the HMAC key when fleet.yaml says so", () => {
    assert.equal(of(kubernetesRights(NAMED), "make-hmac-key").length, 1);
    assert.deepEqual(of(kubernetesRights({ ...NAMED, makeHmacKey: false }), "make-hmac-key"), []);
  });

  it("are fewer when it is known what is declared", () => {
    const rights = kubernetesRights(NAMED, {
      kinds: ["VaultStaticSecret"],
      workloads: ["Deployment"],
      serviceAccounts: ["vault"],
      secrets: ["approle"],
      cloudLogins: false,
      operatorTokens: true,
    });
    assert.deepEqual(one(rights, "declaration-status").resources, ["vaultstaticsecrets/status"]);
    assert.deepEqual(one(rights, "declarations").resources.length, 3, "each kind is watched");
    assert.deepEqual(one(rights, "workloads").resources, ["deployments"]);
    assert.deepEqual(of(rights, "argo-rollouts"), []);
    assert.deepEqual(one(rights, "login-tokens").resourceNames, ["vault"]);
    assert.deepEqual(of(rights, "cloud-identities"), []);
    assert.deepEqual(one(rights, "login-secrets").resourceNames, ["approle"]);
    assert.deepEqual(one(rights, "operator-tokens").verbs, ["get"]);
    const none = kubernetesRights(NAMED, { kinds: [], workloads: [], serviceAccounts: [] });
    for (const use of ["declaration-status", "declaration-finalizers", "workloads", "argo-rollouts", "login-tokens"]) {
      assert.deepEqual(of(none, use), [], use);
    }
  });

  it("are to follow the Secrets of logins by their names, and only to get them with observe: apply", () => {
    const verbs = (observe: "watch" | "apply") =>
      one(kubernetesRights({ ...NAMED, observe }, { secrets: ["ca"] }), "login-secrets").verbs;
    assert.deepEqual([verbs("watch"), verbs("apply")], [["get", "list", "watch"], ["get"]]);
  });

  it("have a reason each", () => {
    for (const { reason } of kubernetesRights(NAMED)) assert.match(reason, /^[A-Zk].*\.$/);
  });
});

describe("roles as YAML", () => {
  it("parse to the same rules, whatever the names are", () => {
    const right: KubernetesRight = {
      use: "a",
      apiGroups: [""],
      resources: ["secrets"],
      verbs: ["get"],
      resourceNames: ["1", "no", "a.b"],
      need: "always",
      reason: "word ".repeat(60).trim(),
    };
    const text = roleYaml({ name: "keyferry", namespace: "shop" }, [right]);
    assert.ok(text.split("\n").every((line) => line.length <= 120));
    const { use: _use, need: _need, reason: _reason, ...rule } = right;
    assert.deepEqual(parse(text), {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "Role",
      metadata: { name: "keyferry", namespace: "shop" },
      rules: [rule],
    });
  });

  it("are bound to a service account", () => {
    const bound = parse(bindingYaml({ name: "keyferry" }, { namespace: "keyferry", name: "keyferry" }));
    assert.equal(bound.kind, "ClusterRoleBinding");
    assert.deepEqual(bound.subjects, [{ kind: "ServiceAccount", namespace: "keyferry", name: "keyferry" }]);
  });
});
