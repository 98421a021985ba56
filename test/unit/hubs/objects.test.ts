import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { accessOfSecret, namespacesOf } from "../../../lib/hubs/objects/argocd.ts";
import { accessOfProfile } from "../../../lib/hubs/objects/cluster-profile.ts";
import { leadsTo } from "../../../lib/hubs/objects/login.ts";
import { clusterName } from "../../../lib/hubs/objects/naming.ts";
import { labelsOf, settingsOf } from "../../../lib/hubs/objects/settings.ts";
import { isDnsLabel } from "../../../lib/names.ts";

const SERVER = "https://a.example.com:6443";
const PEM = Buffer.from("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n").toString("base64");
const EKS = "https://0A1B.gr7.eu-central-1.eks.amazonaws.com";
const ROLE = "arn:aws:iam::111122223333:role/keyferry";

const secret = (config: object | string, server = SERVER) =>
  accessOfSecret({ server, config: typeof config === "string" ? config : JSON.stringify(config) }, "Secret a/b");

/** The code and the message. */
function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof SyncError, String(error));
    return `${error.code}: ${error.message}`;
  }
  return "none";
}

describe("a cluster Secret of Argo CD", () => {
  it("logs in as its config says", () => {
    const tls = { caData: PEM, serverName: "api" };
    const { server, cluster, login } = secret({ bearerToken: "t0ken", tlsClientConfig: tls }, `${SERVER}/`);
    assert.deepEqual(
      [server, cluster, login],
      [
        SERVER,
        { "certificate-authority-data": PEM, "tls-server-name": "api" },
        { kind: "user", user: { token: "t0ken" } },
      ],
    );
    assert.deepEqual(secret({ username: "ann", password: "p" }).login, {
      kind: "user",
      user: { username: "ann", password: "p" },
    });
    assert.deepEqual(secret({ tlsClientConfig: { certData: PEM, keyData: PEM, insecure: true } }), {
      server: SERVER,
      cluster: { "insecure-skip-tls-verify": true },
      login: { kind: "user", user: { "client-certificate-data": PEM, "client-key-data": PEM } },
    });
    assert.deepEqual(secret({ bearerToken: "t", proxyUrl: "socks5://proxy:1080" }).cluster, {
      "proxy-url": "socks5://proxy:1080",
    });
  });

  it("logs in to EKS by keyferry's own identity, however it says so", () => {
    const eks = { kind: "eks", cluster: "shop", region: "eu-central-1" };
    const exec = (command: string, args: readonly string[], env: object = {}) =>
      secret({ execProviderConfig: { command, args, env } }, EKS).login;
    assert.deepEqual(secret({ awsAuthConfig: { clusterName: "shop", roleARN: ROLE } }, EKS).login, {
      ...eks,
      roleArn: ROLE,
    });
    const arn = "arn:aws:eks:eu-central-1:111122223333:cluster/shop";
    assert.deepEqual(secret({ awsAuthConfig: { clusterName: arn } }).login, eks);
    assert.deepEqual(exec("argocd-k8s-auth", ["aws", "--cluster-name", "shop", "--role-arn", ROLE]), {
      ...eks,
      roleArn: ROLE,
    });
    assert.deepEqual(exec("/usr/bin/aws", ["--region", "us-east-2", "eks", "get-token", "--cluster-name=shop"]), {
      ...eks,
      region: "us-east-2",
    });
    assert.deepEqual(exec("aws", ["eks", "get-token", "--cluster-name", "shop"], { AWS_REGION: "eu-west-1" }), {
      ...eks,
      region: "eu-west-1",
    });
    assert.deepEqual(exec("aws-iam-authenticator", ["token", "--token-only", "-i", "shop", "-r", ROLE]), {
      ...eks,
      roleArn: ROLE,
    });
  });

  for (const [what, config, expected] of [
    [
      "Google",
      { execProviderConfig: { command: "argocd-k8s-auth", args: ["gcp"] } },
      /^UNSUPPORTED: Secret a\/b logs in with argocd-k8s-auth gcp: .*bearerToken/,
    ],
    [
      "Azure",
      { execProviderConfig: { command: "argocd-k8s-auth", args: ["azure"] } },
      /^UNSUPPORTED: .* argocd-k8s-auth azure: .*bearerToken/,
    ],
    ["gcloud", { execProviderConfig: { command: "gke-gcloud-auth-plugin" } }, /^UNSUPPORTED: .*gke-gcloud-auth-plugin/],
    [
      "kubelogin",
      { execProviderConfig: { command: "/bin/kubelogin", args: ["get-token"] } },
      /^UNSUPPORTED: .*kubelogin/,
    ],
    [
      "a program",
      { execProviderConfig: { command: "/tmp/steal.sh" } },
      /^UNSUPPORTED: .*the program "steal.sh", which keyferry does not run: use a bearerToken/,
    ],
    ["a profile", { awsAuthConfig: { clusterName: "shop", profile: "prod" } }, /^UNSUPPORTED: .*profile.*name a role/],
    [
      "a profile by variable",
      {
        execProviderConfig: {
          command: "aws",
          args: ["eks", "get-token", "--cluster-name", "shop"],
          env: { AWS_PROFILE: "prod" },
        },
      },
      /^UNSUPPORTED: .*profile/,
    ],
    [
      "an option",
      {
        execProviderConfig: {
          command: "aws",
          args: ["eks", "get-token", "--cluster-name", "shop", "--endpoint-url", "http://x"],
        },
      },
      /^UNSUPPORTED: .*"endpoint-url"/,
    ],
    ["no region", { awsAuthConfig: { clusterName: "shop" } }, /^UNSUPPORTED: .*region/],
    ["no login", {}, /^REFERENCE_INVALID: Secret a\/b has no credentials: add a bearerToken/],
    ["half a certificate", { tlsClientConfig: { certData: PEM } }, /^REFERENCE_INVALID: .*certData and keyData/],
    [
      "a CA that is none",
      { bearerToken: "t0ken", tlsClientConfig: { caData: "AAAA" } },
      /^REFERENCE_INVALID: .*CA that is no base64 of PEM/,
    ],
    [
      "a CA and any certificate",
      { bearerToken: "t0ken", tlsClientConfig: { caData: PEM, insecure: true } },
      /^REFERENCE_INVALID: .*remove one of both/,
    ],
    ["a proxy that is none", { bearerToken: "t0ken", proxyUrl: "file:///etc/passwd" }, /^REFERENCE_INVALID: .*proxy/],
    ["no JSON", '{"bearerToken":"t0ken"', /^REFERENCE_INVALID: .*no JSON object/],
    ["deep JSON", `${"[".repeat(50)}${"]".repeat(50)}`, /^REFERENCE_INVALID: .*too large/],
  ] as const) {
    it(`refuses ${what}, and says what to do`, () => {
      const told = refusal(() => secret(config));
      assert.match(told, expected);
      assert.doesNotMatch(told, /t0ken/);
    });
  }

  it("refuses servers that are no https addresses", () => {
    for (const server of ["", "http://a", "a:6443", "https://u:p@a", "https://a?x=1", `https://${"a".repeat(2_000)}`]) {
      assert.match(
        refusal(() => secret({ bearerToken: "t" }, server)),
        /^REFERENCE_INVALID: .*server/,
      );
    }
    assert.match(
      refusal(() => secret({}, "https://kubernetes.default.svc")),
      /the hub cluster itself/,
    );
  });

  it("names namespaces, settings and labels", () => {
    assert.deepEqual(namespacesOf({ namespaces: "a, b,," }), ["a", "b"]);
    const annotations = { "keyferry.dev/observe": "apply", "keyferry.dev/auth-mount": "k8s/a", other: "x" };
    assert.deepEqual(settingsOf(annotations, ["a"], "it"), { observe: "apply", authMount: "k8s/a", namespaces: ["a"] });
    assert.match(
      refusal(() => settingsOf({ "keyferry.dev/observe": "never" }, [], "it")),
      /REFERENCE_INVALID: it has an/,
    );
    assert.match(
      refusal(() => settingsOf({ "keyferry.dev/auth-mount": "a/../b" }, [], "it")),
      /no mount/,
    );
    assert.match(
      refusal(() => settingsOf({ "keyferry.dev/operator-namespace": "A" }, [], "it")),
      /no name/,
    );
    assert.match(
      refusal(() => settingsOf({}, ["A_B"], "it")),
      /namespace that can't exist/,
    );
    assert.deepEqual(labelsOf({ env: "prod", "bad key": "x" }, "it"), { env: "prod" });
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`l-${at}`, "x".repeat(60)]));
    assert.match(
      refusal(() => labelsOf(many, "it")),
      /more than 2048 bytes of labels/,
    );
  });
});

describe("where an object leads to", () => {
  it("is the same with other credentials, and another with another address, CA or kind of login", () => {
    const of = (config: object, server = SERVER) => leadsTo(secret(config, server));
    const base = of({ bearerToken: "a", tlsClientConfig: { caData: PEM } });
    assert.equal(of({ bearerToken: "b", tlsClientConfig: { caData: PEM } }), base);
    const others = [
      of({ bearerToken: "a" }),
      of({ bearerToken: "a", tlsClientConfig: { caData: PEM } }, "https://b"),
      of({ bearerToken: "a", tlsClientConfig: { caData: PEM, serverName: "x" } }),
      of({ bearerToken: "a", tlsClientConfig: { caData: PEM }, proxyUrl: "http://p" }),
      of({ awsAuthConfig: { clusterName: "shop" }, tlsClientConfig: { caData: PEM } }, EKS),
      of({ awsAuthConfig: { clusterName: "bank" }, tlsClientConfig: { caData: PEM } }, EKS),
    ];
    assert.equal(new Set([base, ...others]).size, others.length + 1);
  });
});

describe("a ClusterProfile", () => {
  const EXTENSION = "client.authentication.k8s.io/exec";
  const exec = (command: string, args: readonly string[] = []) => ({ command, args, env: [] });
  const providers = [
    { name: "first", execConfig: exec("./secretreader-plugin") },
    { name: "eks", execConfig: exec("/bin/eks-aws-auth-plugin") },
    { name: "aws", execConfig: exec("aws", ["eks", "get-token", "--cluster-name", "shop"]) },
    { name: "bare-ocm", execConfig: exec("cp-creds") },
    { name: "kubeconfig", execConfig: exec("kubeconfig-secretreader") },
  ];
  const access = (status: object) =>
    accessOfProfile(
      { namespace: "ns", name: "east", spec: {}, status: status as Record<string, unknown> },
      { providers },
      "P",
    );
  const by = (name: string, config?: object, cluster: object = {}) =>
    access({
      accessProviders: [
        {
          name,
          cluster: { server: EKS, ...cluster, ...(config && { extensions: [{ name: EXTENSION, extension: config }] }) },
        },
      ],
    });

  it("logs in by the first provider of fleet.yaml that it names", () => {
    const both = { accessProviders: ["aws", "first"].map((name) => ({ name, cluster: { server: SERVER } })) };
    assert.deepEqual(access(both).login, {
      kind: "secret",
      namespace: "ns",
      name: "east",
      key: "token",
      holds: "token",
    });
    const eks = { kind: "eks", cluster: "shop", region: "eu-central-1" };
    assert.deepEqual(by("eks", { region: "eu-central-1", clusterId: "shop" }).login, eks);
    assert.deepEqual(by("aws").login, eks);
    const cluster = { "insecure-skip-tls-verify": true, "proxy-url": "http://p:1", "tls-server-name": "api" };
    assert.deepEqual(by("first", undefined, cluster).cluster, cluster);
  });

  it("gets no Secret of another cluster", () => {
    for (const config of [{ clusterName: "west" }, { clusterName: "" }]) {
      assert.match(
        refusal(() => by("first", config)),
        /^UNSUPPORTED: P names the Secret of another cluster/,
      );
    }
    const own = { name: "east-kubeconfig", key: "value" };
    assert.equal(by("kubeconfig", { ...own, context: "c" }).login.kind, "secret");
    for (const config of [{ ...own, name: "west" }, { ...own, namespace: "other" }, { key: "value" }]) {
      assert.match(
        refusal(() => by("kubeconfig", config)),
        /^UNSUPPORTED: P names a Secret that is not its own/,
      );
    }
    assert.match(
      refusal(() => by("kubeconfig", { name: "east" })),
      /^REFERENCE_INVALID: P names no key/,
    );
    assert.match(
      refusal(() => by("bare-ocm")),
      /^UNSUPPORTED: .*--managed-serviceaccount/,
    );
  });

  it("says what it lacks", () => {
    assert.match(
      refusal(() => access({})),
      /^REFERENCE_INVALID: P has no status.accessProviders/,
    );
    assert.match(
      refusal(() => by("other")),
      /^UNSUPPORTED: P names no access provider of fleet.yaml: add one/,
    );
  });
});

describe("the name of a hub's cluster", () => {
  it("is the object's own, or a label with a hash that keeps two apart", () => {
    assert.equal(clusterName("prod-eu"), "prod-eu");
    const names = ["Prod EU", "prod_eu", "prod.eu", "-prod-eu-", "生産", "x".repeat(100), ""].map(clusterName);
    assert.ok(names.every(isDnsLabel), names.join(" "));
    assert.equal(new Set(names).size, names.length);
    assert.match(names[0] ?? "", /^prod-eu-[0-9a-f]{8}$/);
    assert.match(names[4] ?? "", /^cluster-[0-9a-f]{8}$/);
  });
});
