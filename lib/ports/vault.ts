import type { EpochMs } from "../clock.ts";
import type { SyncError } from "../errors.ts";
import type { SyncKey } from "../keys.ts";
import type { LosslessValue } from "../util/lossless.ts";
import type { CredentialRef, LoginCredential } from "./credentials.ts";
import type { TokenKeeper } from "./tokens.ts";

/** How to reach one Vault. */
export interface VaultTarget {
  readonly address: string;
  /** `<cluster>/<namespace>` of the declaration that asks: what one namespace asks for leaves room for the others. */
  readonly place?: string;
  /** Whose resources name it: fleet.yaml says for each cluster which Vaults these may name. */
  readonly cluster?: string;
  /** `namespace/name` of the VaultConnection that says so: a label of metrics. */
  readonly connection?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tlsServerName?: string;
  readonly caPem?: string;
  /** Where caPem comes from, until the core has fetched it. */
  readonly caRef?: CredentialRef & { readonly kind: "secret" };
  /** The same where fleet.yaml says it: name of the Vault whose caFile is trusted. */
  readonly caOf?: string;
  readonly skipTlsVerify: boolean;
  /** Per request, in ms. */
  readonly timeoutMs: number;
}

/** What a login to an AWS mount needs; what is missing has the default of VSO. */
export interface AwsMethod {
  readonly kind: "aws";
  readonly role: string;
  /** A Secret: its keys are AWS's own. A service account: the IAM role that it is annotated with. */
  readonly credential: LoginCredential;
  readonly region?: string;
  readonly headerValue?: string;
  readonly sessionName?: string;
  readonly stsEndpoint?: string;
}

/** What a login to a GCP mount needs: the service account is annotated with a Google service account. */
export interface GcpMethod {
  readonly kind: "gcp";
  readonly role: string;
  readonly credential: CredentialRef & { readonly kind: "serviceAccount" };
  readonly region: string;
  readonly clusterName: string;
  readonly projectID: string;
}

/** How to log in. `id` changes whenever what is logged in with does: one token each. */
export interface VaultIdentity {
  readonly id: string;
  readonly target: VaultTarget;
  /** Vault namespace of the login. */
  readonly namespace?: string;
  readonly mount: string;
  /** Of the login alone. */
  readonly headers: Readonly<Record<string, string>>;
  readonly method:
    | { readonly kind: "kubernetes" | "jwt"; readonly role: string; readonly credential: CredentialRef }
    | { readonly kind: "appRole"; readonly roleId: string; readonly credential: CredentialRef }
    | AwsMethod
    | GcpMethod;
}

export interface VaultRead {
  readonly identity: VaultIdentity;
  /** The sync that asks: a token that is obtained for nobody is not kept beyond this process. */
  readonly by?: SyncKey;
  /** A refusal that is remembered from before is not believed: someone asked since. */
  readonly since?: EpochMs;
  /** Vault namespace of the read; the identity's when missing. */
  readonly namespace?: string;
  readonly mount: string;
  readonly path: string;
  readonly engine: "kv-v1" | "kv-v2";
  /** kv-v2 only; 0 is the latest. */
  readonly version: number;
  /** kv-v2 only: a version that was deleted or destroyed is one without fields, and no error. */
  readonly followDeleted?: boolean;
}

/** What a path held. Numbers are as Vault wrote them. */
export interface SourceData {
  /** The whole `data` object of the answer: `_raw` is made of it. */
  readonly response: LosslessValue;
  /** kv-v1: `data`; kv-v2: `data.data`. */
  readonly fields: ReadonlyMap<string, LosslessValue>;
  /** kv-v2 only. */
  readonly version?: { readonly number: number; readonly createdTime: string };
}

export interface VaultApi {
  read(read: VaultRead, signal: AbortSignal): Promise<SourceData>;
  /**
   * One unauthenticated question whether anything answers there, and whether it is an unsealed Vault. It waits for nobody's
   * turn and follows no redirect. Throws VAULT_UNAVAILABLE or VAULT_SEALED, in words that name the address alone.
   */
  probe(target: VaultTarget, signal: AbortSignal): Promise<"unsealed" | "answered">;
  /** Whoever waits for a turn at the Vault that this is about fails with it. */
  giveUp(outage: SyncError): void;
  /** The same question, for a VaultConnection's status: a sealed Vault will do, and whatever else hinders it is thrown. */
  reach(target: VaultTarget, signal: AbortSignal): Promise<void>;
  /** Whether this Vault answered anybody within the last minute: who waits for it will hardly wait for long. */
  isKnown(target: VaultTarget): boolean;
  readonly tokens: TokenKeeper;
}
