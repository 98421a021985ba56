/** Where the audit lines of one Vault come from. Each inlet belongs to exactly one Vault, because no line names it. */
export interface VaultEvents {
  /** A server of `keyferry run` that takes POSTs of lines. */
  readonly http?: HttpInlet;
  /** An audit file that `keyferry run` follows. */
  readonly file?: { readonly path: string };
  /** A server of `keyferry run` for Vault's socket device. */
  readonly tcp?: TcpInlet;
  readonly unix?: UnixInlet;
  /** `keyferry run` subscribes to Vault Enterprise's own events. */
  readonly subscribe?: SubscribeInlet;
  /** On AWS: a log group that a subscription forwards. */
  readonly cloudwatchLogs?: { readonly logGroup: string };
  /** On AWS: events of this source. */
  readonly eventBridge?: { readonly source: string };
  /** On AWS: objects below the prefix. */
  readonly s3?: { readonly bucket: string; readonly prefix: string };
  /** On AWS: signed POSTs to the function's URL. */
  readonly post?: PostInlet;
  /** Lines are missing if none came for so long, in ms. Missing: silence means nothing. */
  readonly silentAfterMs?: number;
}

/** Requests are proved by a signature or a bearer token: one of the two files is set. */
export interface HttpInlet {
  /** `host:port`. */
  readonly listen: string;
  readonly path: string;
  /** The keys of signatures; else `bearerFile`. */
  readonly keyFile?: string;
  /** On loopback only. */
  readonly bearerFile?: string;
}

/** A listener for Vault's socket device. Its lines carry no proof of who sends, so networks are restricted. */
export interface TcpInlet {
  readonly listen: string;
  /** The networks that may connect; the loopback addresses always may. */
  readonly from: readonly string[];
}

/** A socket file for Vault's socket device: its permissions restrict who may send. */
export interface UnixInlet {
  readonly path: string;
  /** The socket's permissions, in octal. */
  readonly mode: string;
}

/** A subscription for all syncs of one Vault, with a login of keyferry's own. */
export interface SubscribeInlet {
  /** One of the Vault's identities. */
  readonly identity: string;
  /** Types of events, with `*` as a wildcard. */
  readonly types: string;
}

/** One of the two holds the keys of signatures. */
export interface PostInlet {
  readonly keySecretArn?: string;
  readonly parameter?: string;
}
