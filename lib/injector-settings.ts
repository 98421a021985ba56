/** The settings of the injector for one cluster: `injector` in fleet.yaml, with defaults. */
export interface InjectorSettings {
  /** Vault as pods reach it. */
  readonly vaultAddress?: string;
  /** Certificates of Vault's CA: PEM, or PEM in base64. */
  readonly vaultCaCert?: string;
  readonly vaultNamespace?: string;
  readonly authType: string;
  readonly authPath: string;
  readonly proxyAddress?: string;
  readonly authMinBackoff?: string;
  readonly authMaxBackoff?: string;

  readonly image: string;
  /** The program in the image. */
  readonly binary: AgentBinary;
  /** Images that pods may name; an entry with a digest pins the tag before it. Missing: any. */
  readonly allowedImages?: readonly string[];
  readonly nativeSidecar: boolean;
  readonly revokeOnShutdown: boolean;
  readonly runAsUser: number;
  readonly runAsGroup: number;
  readonly runAsSameUser: boolean;
  readonly setSecurityContext: boolean;
  readonly seccompProfile?: "RuntimeDefault";
  readonly cpuRequest?: string;
  readonly cpuLimit?: string;
  readonly memoryRequest?: string;
  readonly memoryLimit?: string;
  readonly ephemeralStorageRequest?: string;
  readonly ephemeralStorageLimit?: string;

  readonly defaultTemplate: TemplateFormat;
  readonly exitOnRetryFailure: boolean;
  readonly staticSecretRenderInterval?: string;
  readonly maxConnectionsPerHost: number;
  readonly leaseRenewalThreshold?: number;
  readonly disableIdleConnections: readonly string[];
  readonly disableKeepAlives: readonly string[];
}

/** A duration as Go writes it. Check the length of a text first. */
export const GO_DURATION = /^[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$/;
/** A quantity of Kubernetes that is not negative. */
export const QUANTITY = /^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]{1,2})?$/;
/** Longer ones are mistakes. */
export const MAX_QUANTITY = 64;

/** The largest uid or gid that Kubernetes accepts; also the limit of other whole numbers. */
export const MAX_ID = 2 ** 31 - 1;

/** The agent of Vault, or of OpenBao. */
export type AgentBinary = "vault" | "bao";
/** The default template: a line `key: value` for each field, or one JSON object. */
export type TemplateFormat = "map" | "json";

/** What fleet.yaml sets, for all clusters or for one. */
export type InjectorOverrides = Partial<InjectorSettings>;

/** What counts where neither the cluster nor the fleet says anything: mostly as in the Vault Agent Injector. */
export const INJECTOR_DEFAULTS: InjectorSettings = {
  authType: "kubernetes",
  authPath: "auth/kubernetes",
  image: "hashicorp/vault:2.0.4",
  binary: "vault",
  nativeSidecar: false,
  revokeOnShutdown: false,
  runAsUser: 100,
  runAsGroup: 1000,
  runAsSameUser: false,
  setSecurityContext: true,
  cpuRequest: "250m",
  cpuLimit: "500m",
  memoryRequest: "64Mi",
  memoryLimit: "128Mi",
  defaultTemplate: "map",
  exitOnRetryFailure: true,
  maxConnectionsPerHost: 0,
  disableIdleConnections: [],
  disableKeepAlives: [],
};

/** The settings of one cluster: its own come before those of the fleet. */
export function injectorSettings(fleet: InjectorOverrides = {}, cluster: InjectorOverrides = {}): InjectorSettings {
  return { ...INJECTOR_DEFAULTS, ...fleet, ...cluster };
}
