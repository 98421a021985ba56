/** One test on real servers, and the fields of resources that it shows to work. */
export interface Covering {
  /** Below test/. */
  readonly file: string;
  /** Its name, as it stands in the file. */
  readonly test: string;
  /** Paths, with `{a,b}` for several. */
  readonly fields: readonly string[];
}

const VSS = "VaultStaticSecret";
const DESTINATION = `${VSS}.spec.destination`;
const TRANSFORMATION = `${DESTINATION}.transformation`;
const REFS = `${TRANSFORMATION}.transformationRefs[]`;

const AUTH = "e2e/auth-methods.test.ts";
const GLOBAL = "e2e/auth-methods/global.ts";
const AWS = "e2e/auth-methods/aws.ts";
const RULES = "e2e/destination-rules.test.ts";
const SHAPES = "e2e/transformation.test.ts";
const STATUSES = "e2e/statuses.test.ts";

/** What is shown of VaultStaticSecret. */
const OF_STATIC_SECRETS: readonly Covering[] = [
  {
    file: "e2e/static-secret.test.ts",
    test: "follows a change in Vault",
    fields: [`${VSS}.spec.{mount,path,type,refreshAfter}`],
  },
  {
    file: RULES,
    test: "kv-v1 has its fields in data, and a secret without fields is an empty one",
    fields: [`${VSS}.spec.{mount,path,type}`],
  },
  { file: RULES, test: "a pinned version stays, whatever is written after it", fields: [`${VSS}.spec.version`] },
  {
    file: RULES,
    test: "ours are data, labels, annotations and one owner; the owner's labels win; foreign keys go, foreign labels stay",
    fields: [`${DESTINATION}.{name,create,labels,annotations}`],
  },
  { file: RULES, test: "a type is set, and another one makes the Secret anew", fields: [`${DESTINATION}.type`] },
  { file: RULES, test: "another name moves the Secret", fields: [`${DESTINATION}.name`] },
  {
    file: RULES,
    test: "create: false fills a Secret that others made, its data alone, and puts it right at the next refresh",
    fields: [`${DESTINATION}.create`],
  },
  {
    file: RULES,
    test: "overwrite takes over what has no owner, and never what another declaration owns",
    fields: [`${DESTINATION}.overwrite`],
  },
  {
    file: RULES,
    test: "excludeRaw leaves _raw out, and a field of that name is one like any other",
    fields: [`${TRANSFORMATION}.excludeRaw`],
  },
  {
    file: SHAPES,
    test: "renders templates of the declaration and of references, and filters what is left, all at once",
    fields: [
      `${TRANSFORMATION}.{templates.*.name,templates.*.text,includes,excludeRaw}`,
      `${REFS}.{namespace,name,templateRefs[].name,templateRefs[].keyOverride,ignoreIncludes,ignoreExcludes}`,
      "SecretTransformation.spec.{templates.*,sourceTemplates[]}.{name,text}",
      "SecretTransformation.spec.{includes,excludes}",
    ],
  },
  {
    file: SHAPES,
    test: "keeps _raw whatever the filters are, and numbers as Vault wrote them",
    fields: [`${TRANSFORMATION}.excludes`],
  },
  {
    file: SHAPES,
    test: "lease-table 23: carries out the change of a SecretTransformation, and waits for one that is missing",
    fields: [`${REFS}.name`, `${TRANSFORMATION}.includes`],
  },
  {
    file: "e2e/rollouts.test.ts",
    test: "new data restarts all four kinds, with condition, event and a replica set",
    fields: [`${VSS}.spec.rolloutRestartTargets[].{kind,name}`, `${VSS}.status.conditions`],
  },
  {
    file: "e2e/rollouts.test.ts",
    test: "what is no change of Vault's data restarts nothing: edits of declarations, hand edits, hmacSecretData: false",
    fields: [`${VSS}.spec.hmacSecretData`],
  },
  {
    file: "e2e/takes-over.test.ts",
    test: "kubernetes-rules 22: secretMAC is VSO's own with the cluster's key, left out without it, and with hmacSecretData: false",
    fields: [`${VSS}.spec.hmacSecretData`, `${VSS}.status.secretMAC`],
  },
  {
    file: "e2e/takes-over.test.ts",
    test: "kubernetes-rules 20: what VSO left of the declaration stays: finalizer, generation and MAC",
    fields: [`${VSS}.status.{lastGeneration,secretMAC}`],
  },
  {
    file: "e2e/discovery.test.ts",
    test: "kubernetes-rules 16: an edit that changes no data is acknowledged, without a write to the Secret and without an event",
    fields: [`${VSS}.status.{lastGeneration,conditions}`],
  },
  {
    file: "e2e/deleted-in-vault.test.ts",
    test: "stays in the Secret, whichever way it went, and the conditions say what is missing",
    fields: [`${VSS}.spec.version`, `${VSS}.status.conditions`],
  },
  {
    file: "e2e/warnings.test.ts",
    test: "a field that a template writes and that is not there: the Secret is as Go makes it, and the resource says where",
    fields: [`${VSS}.status.conditions`],
  },
  {
    file: "e2e/kstatus.test.ts",
    test: "what was edited while no engine works is in progress until one has looked",
    fields: ["{VaultStaticSecret,VaultAuth,VaultConnection,SecretTransformation}.status.observedGeneration"],
  },
];

/** What is shown of logins. */
const OF_LOGINS: readonly Covering[] = [
  {
    file: AUTH,
    test: "kubernetes: by TokenRequest, reviewed by the cluster; an empty vaultAuthRef means the operator's default",
    fields: [
      `${VSS}.spec.vaultAuthRef`,
      "VaultAuth.spec.{method,mount,kubernetes.role,kubernetes.serviceAccount}",
      "VaultConnection.spec.address",
    ],
  },
  {
    file: AUTH,
    test: "kubernetes: audiences are asked for and checked",
    fields: ["VaultAuth.spec.kubernetes.{audiences,tokenExpirationSeconds}"],
  },
  {
    file: "contract/cluster-api.contract.ts",
    test: "kubernetes-rules 19: for named audiences, and never below 600 s",
    fields: ["VaultAuth.spec.{kubernetes,jwt}.{audiences,tokenExpirationSeconds}"],
  },
  {
    file: AUTH,
    test: "jwt: by a service account's token",
    fields: ["VaultAuth.spec.jwt.{role,serviceAccount,audiences}"],
  },
  { file: AUTH, test: "jwt: by a token that stands in a Secret", fields: ["VaultAuth.spec.jwt.secretRef"] },
  {
    file: AUTH,
    test: "appRole: by a secret id that stands in a Secret; another one is taken up",
    fields: ["VaultAuth.spec.appRole.{roleId,secretRef}"],
  },
  {
    file: AUTH,
    test: "a VaultAuth in another namespace logs in with this namespace's service account",
    fields: [`${VSS}.spec.vaultAuthRef`, "VaultAuth.spec.allowedNamespaces"],
  },
  {
    file: "e2e/bad-input.test.ts",
    test: "refuses a VaultAuth of another namespace that does not allow this one",
    fields: ["VaultAuth.spec.allowedNamespaces"],
  },
  {
    file: "e2e/bad-input.test.ts",
    test: "syncs at once when a missing VaultAuth, then its VaultConnection, are made",
    fields: ["VaultAuth.spec.vaultConnectionRef"],
  },
  {
    file: AUTH,
    test: "a Vault namespace: the VaultAuth's for the login, the declaration's for the read",
    fields: [
      `${VSS}.spec.namespace`,
      "VaultAuth.spec.namespace",
      "VaultAuthGlobal.spec.{defaultVaultNamespace,defaultAuthMethod,defaultMount,appRole.roleId,appRole.secretRef}",
    ],
  },
  {
    file: AUTH,
    test: "TLS: a CA that is not Vault's is refused by name, and the right one is taken up",
    fields: ["VaultConnection.spec.{caCertSecretRef,timeout}"],
  },
  {
    file: "contract/vault-api.test.ts",
    test: "trust the CA that the connection names, and only that one",
    fields: ["VaultConnection.spec.{caCertSecretRef,skipTLSVerify}"],
  },
  {
    file: "contract/vault-api.test.ts",
    test: "verify the name that the connection names",
    fields: ["VaultConnection.spec.tlsServerName"],
  },
  {
    file: "contract/vault-api.contract.ts",
    test: "doesn't wait longer than it may for one that hangs",
    fields: ["VaultConnection.spec.timeout"],
  },
  {
    file: GLOBAL,
    test: "VaultAuthGlobal: the operator's default fills in what a VaultAuth leaves out",
    fields: [
      "VaultAuth.spec.vaultAuthGlobalRef.allowDefault",
      "VaultAuthGlobal.spec.{allowedNamespaces,vaultConnectionRef,defaultAuthMethod,defaultMount}",
      "VaultAuthGlobal.spec.kubernetes.{role,serviceAccount}",
    ],
  },
  {
    file: GLOBAL,
    test: "VaultAuthGlobal: one that changes is followed, and one that does not allow the namespace is refused",
    fields: ["VaultAuth.spec.vaultAuthGlobalRef.{name,namespace}", "VaultAuthGlobal.spec.allowedNamespaces"],
  },
  {
    file: GLOBAL,
    test: "headers: a connection's with each request, a VaultAuth's and its global's with the login alone",
    fields: [
      "VaultConnection.spec.{headers,skipTLSVerify}",
      "VaultAuth.spec.{headers,vaultAuthGlobalRef.mergeStrategy.headers}",
      "VaultAuthGlobal.spec.headers",
    ],
  },
  {
    file: GLOBAL,
    test: "gcp: what a node's metadata server would be asked for has to be set",
    fields: ["VaultAuth.spec.gcp.{role,workloadIdentityServiceAccount,region,clusterName,projectID}"],
  },
  {
    file: "contract/vault-gcp.contract.ts",
    test: "by the Google service account that the service account is bound to",
    fields: ["VaultAuth.spec.gcp.{role,workloadIdentityServiceAccount,region,clusterName,projectID}"],
  },
  {
    file: AWS,
    test: "aws: by keys that stand in a Secret",
    fields: ["VaultAuth.spec.aws.{role,region,headerValue,stsEndpoint,secretRef}"],
  },
  {
    file: AWS,
    test: "aws: by the IAM role that a service account is bound to",
    fields: ["VaultAuth.spec.aws.{irsaServiceAccount,sessionName}"],
  },
  {
    file: "contract/vault-aws.contract.ts",
    test: "by the IAM role that a service account is bound to, in a session of the name that is asked for",
    fields: ["VaultAuth.spec.aws.{irsaServiceAccount,sessionName}"],
  },
  {
    file: STATUSES,
    test: "each method's block of a VaultAuthGlobal fills a VaultAuth",
    fields: [
      "VaultAuthGlobal.spec.{kubernetes,jwt,appRole,aws,gcp}.{mount,namespace,headers}",
      "VaultAuthGlobal.spec.{kubernetes,jwt}.{role,serviceAccount,audiences,tokenExpirationSeconds}",
      "VaultAuthGlobal.spec.jwt.secretRef",
      "VaultAuthGlobal.spec.appRole.{roleId,secretRef}",
      "VaultAuthGlobal.spec.aws.{role,region,headerValue,sessionName,stsEndpoint,secretRef,irsaServiceAccount}",
      "VaultAuthGlobal.spec.gcp.{role,workloadIdentityServiceAccount,region,clusterName,projectID}",
    ],
  },
];

/** What is shown of the status of what syncs refer to. */
const OF_STATUSES: readonly Covering[] = [
  {
    file: STATUSES,
    test: "a VaultConnection that answers and a VaultAuth that resolves are valid, and say so once",
    fields: ["VaultConnection.status.{valid,conditions}", "VaultAuth.status.{valid,error,conditions}"],
  },
  {
    file: STATUSES,
    test: "a VaultConnection without a Vault says where it fails, and heals",
    fields: ["VaultConnection.status.{valid,conditions}", "VaultConnection.spec.caCertSecretRef"],
  },
  {
    file: STATUSES,
    test: "a VaultAuth waits for its VaultConnection, and no login is tried",
    fields: ["VaultAuth.status.{valid,error,conditions}"],
  },
  {
    file: STATUSES,
    test: "a VaultAuth says whether its VaultAuthGlobal could be merged",
    fields: ["VaultAuth.status.conditions", "VaultAuth.spec.vaultAuthGlobalRef.name"],
  },
  {
    file: STATUSES,
    test: "a SecretTransformation that can be read is valid",
    fields: ["SecretTransformation.status.{valid,error,conditions}"],
  },
  {
    file: STATUSES,
    test: "kubectl get shows the columns of each kind",
    fields: ["{VaultConnection,VaultAuth,SecretTransformation,VaultStaticSecret}.status.conditions"],
  },
];

export const COVERED: readonly Covering[] = [...OF_STATIC_SECRETS, ...OF_LOGINS, ...OF_STATUSES];
