import type { EpochMs } from "../clock.ts";
import type { SyncError } from "../errors.ts";
import type { SyncKey } from "../keys.ts";
import type { LosslessValue } from "../util/lossless.ts";
import type { CredentialRef, FileCredential, LoginCredential } from "./credentials.ts";
import type { TokenKeeper } from "./tokens.ts";

/** How to reach one Vault. */
export interface VaultTarget {
  readonly address: string;
  /** `<cluster>/<namespace>` of the requesting declaration: each namespace leaves capacity to others. */
  readonly place?: string;
  /** The cluster whose resources name it: fleet.yaml decides which Vaults these may name. */
  readonly cluster?: string;
  /** `namespace/name` of its VaultConnection: a label of metrics. */
  readonly connection?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tlsServerName?: string;
  readonly caPem?: string;
  /** The source of caPem, until the core has read it. */
  readonly caRef?: CredentialRef & { readonly kind: "secret" };
  /** The same from fleet.yaml: the name of the Vault whose caFile is trusted. */
  readonly caOf?: string;
  readonly skipTlsVerify: boolean;
  /** Per request, in ms. */
  readonly timeoutMs: number;
}

/** The settings of a login to an AWS mount; missing ones have VSO's defaults. */
export interface AwsMethod {
  readonly kind: "aws";
  readonly role: string;
  /** A Secret with AWS's own keys, or a service account with an IAM role in its annotation. */
  readonly credential: LoginCredential;
  readonly region?: string;
  readonly headerValue?: string;
  readonly sessionName?: string;
  readonly stsEndpoint?: string;
}

/** The settings of a login to a GCP mount: the service account's annotation names a Google service account. */
export interface GcpMethod {
  readonly kind: "gcp";
  readonly role: string;
  readonly credential: CredentialRef & { readonly kind: "serviceAccount" };
  readonly region: string;
  readonly clusterName: string;
  readonly projectID: string;
}

/** How to log in. `id` changes with any part of it: one token for each. */
export interface VaultIdentity {
  readonly id: string;
  readonly target: VaultTarget;
  /** Vault namespace of the login. */
  readonly namespace?: string;
  readonly mount: string;
  /** Only for the login. */
  readonly headers: Readonly<Record<string, string>>;
  readonly method:
    | {
        readonly kind: "kubernetes" | "jwt";
        readonly role: string;
        readonly credential: CredentialRef | FileCredential;
      }
    | { readonly kind: "appRole"; readonly roleId: string; readonly credential: CredentialRef | FileCredential }
    | AwsMethod
    | GcpMethod;
}

/** One read of a kv path, and with whose login. */
export interface VaultRead {
  readonly identity: VaultIdentity;
  /** The sync that needs it: without one, the token stays in this process. */
  readonly by?: SyncKey;
  /** Ignore remembered refusals from before this time: something may have changed since. */
  readonly since?: EpochMs;
  /** Vault namespace of the read; default: the identity's. */
  readonly namespace?: string;
  readonly mount: string;
  readonly path: string;
  readonly engine: "kv-v1" | "kv-v2";
  /** kv-v2 only; 0 is the latest. */
  readonly version: number;
  /** kv-v2 only: a deleted or destroyed version counts as one without fields, not as an error. */
  readonly followDeleted?: boolean;
}

/** The content of a path. Numbers are as Vault wrote them. */
export interface SourceData {
  /** The whole `data` object of the answer, for `_raw`. */
  readonly response: LosslessValue;
  /** kv-v1: `data`; kv-v2: `data.data`. */
  readonly fields: ReadonlyMap<string, LosslessValue>;
  /** kv-v2 only. */
  readonly version?: { readonly number: number; readonly createdTime: string };
}

/** Reads kv paths, and says whether a Vault is there. Throws a SyncError whose message names no secret data. */
export interface VaultApi {
  read(read: VaultRead, signal: AbortSignal): Promise<SourceData>;
  /**
   * An unauthenticated request: whether any server answers, and whether it is an unsealed Vault. Does not wait for a
   * slot, and follows no redirect. Throws VAULT_UNAVAILABLE or VAULT_SEALED, with a message that names only the
   * address.
   */
  probe(target: VaultTarget, signal: AbortSignal): Promise<"unsealed" | "answered">;
  /** Fails all requests that wait for a slot at this Vault. */
  giveUp(outage: SyncError): void;
  /** The same for a VaultConnection's status: a sealed Vault counts as reachable, and any other failure is thrown. */
  reach(target: VaultTarget, signal: AbortSignal): Promise<void>;
  /** What is the same at every address of one Vault, without a login. Undefined while it is sealed. */
  clusterId(target: VaultTarget, signal: AbortSignal): Promise<string | undefined>;
  /** Whether this Vault answered any request within the last minute, so that a wait for it will be short. */
  isKnown(target: VaultTarget): boolean;
  readonly tokens: TokenKeeper;
}
