/** What becomes of a field. Where nothing is said here, it works, and a test shows it. */
export interface FieldState {
  /** A path, and everything below it. */
  readonly field: string;
  readonly state: "later" | "ignored" | "no meaning here" | "unsupported" | "left as it is";
  readonly because: string;
}

export const FIELD_STATES: readonly FieldState[] = [
  {
    field: "VaultDynamicSecret.spec.revoke",
    state: "ignored",
    because: "the lease is always revoked when the resource goes, as VSO does",
  },
  {
    field: "VaultDynamicSecret.status.lastRuntimePodUID",
    state: "left as it is",
    because: "it names a pod of VSO",
  },
  {
    field: "VaultStaticSecret.status.vaultClientMeta",
    state: "left as it is",
    because: "it names a client of VSO's cache",
  },
  {
    field: "VaultAuth.status.specHash",
    state: "left as it is",
    because: "it tells VSO which clients of its cache to drop",
  },
  {
    field: "VaultAuth.spec.storageEncryption",
    state: "no meaning here",
    because: "tokens are never cached in a cluster",
  },
  ...(["VaultAuth", "VaultAuthGlobal"] as const).flatMap((kind): readonly FieldState[] => [
    {
      field: `${kind}.spec.appRole.secretIDPath`,
      state: "unsupported",
      because: "a file on an operator's disk: use `secretRef`",
    },
    { field: `${kind}.spec.aws.iamEndpoint`, state: "ignored", because: "nothing in a login asks IAM" },
    { field: `${kind}.spec.params`, state: "ignored", because: "VSO merges it and never sends it either" },
  ]),
  ...(["kubernetes", "jwt", "appRole", "aws", "gcp"] as const).map(
    (method): FieldState => ({
      field: `VaultAuthGlobal.spec.${method}.params`,
      state: "ignored",
      because: "VSO merges it and never sends it either",
    }),
  ),
  {
    field: "VaultAuth.spec.vaultAuthGlobalRef.mergeStrategy.params",
    state: "ignored",
    because: "there is nothing to merge: `params` are never sent",
  },
  {
    field: "VaultAuthGlobal.status",
    state: "left as it is",
    because: "VSO never writes it either",
  },
  {
    field: "VaultConnection.spec.caCertPath",
    state: "unsupported",
    because: "a file on an operator's disk: use `caCertSecretRef`",
  },
];
