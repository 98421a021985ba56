/** One test on real servers, or in the world in memory, and the fields of resources that it shows to work. */
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
    file: "e2e/vault-events.test.ts",
    test: "instantUpdates: a write reaches the Secret, and all syncs of a login share a subscription",
    fields: [`${VSS}.spec.syncConfig.instantUpdates`],
  },
  {
    file: "e2e/kstatus.test.ts",
    test: "what was edited while no engine works is in progress until one has looked",
    fields: ["{VaultStaticSecret,VaultAuth,VaultConnection,SecretTransformation}.status.observedGeneration"],
  },
];

/** The fields of one kind, each below the kind's name. */
function shown(kind: string, file: string, tests: Readonly<Record<string, readonly string[]>>): readonly Covering[] {
  return Object.entries(tests).map(([test, fields]) => ({
    file,
    test,
    fields: fields.map((field) => `${kind}.${field}`),
  }));
}

const SHAPED = [
  "spec.destination.transformation.{includes,excludes,excludeRaw,templates.*.name,templates.*.text}",
  "spec.destination.transformation.transformationRefs[].{namespace,name,ignoreIncludes,ignoreExcludes}",
  "spec.destination.transformation.transformationRefs[].templateRefs[].{name,keyOverride}",
];

const VDS = "VaultDynamicSecret";

/** What is shown of VaultDynamicSecret. */
const OF_DYNAMIC_SECRETS: readonly Covering[] = [
  ...shown(VDS, "e2e/dynamic-secret.test.ts", {
    "is written when it is declared: it logs in, and Vault has one lease": [
      "spec.{mount,path}",
      "spec.destination.{name,create}",
      "status.secretLease.{id,duration}",
    ],
    "is replaced at renewalPercent of its life when it can't be renewed": ["spec.{params,renewalPercent}"],
    "of a static role follows each rotation": ["spec.allowStaticCreds", "status.staticCredsMetaData.rotationPeriod"],
    "of a static role with a schedule tells of it": ["status.staticCredsMetaData.rotationSchedule"],
    "asks in the Vault namespace that it names, and ends there what it got": ["spec.namespace"],
  }),
  ...shown(VDS, "core/dynamic-fields.test.ts", {
    "is a GET of mount and path, with the login of its vaultAuthRef": [
      "spec.{vaultAuthRef,mount,path,requestHTTPMethod}",
    ],
    "sends params as a body, and other ones issue anew": ["spec.params"],
    "is a POST for the methods POST and PUT, also without params": ["spec.requestHTTPMethod"],
    "renewalPercent of its life is when a lease is replaced that can't be renewed": ["spec.renewalPercent"],
    "refreshAfter is when data without a lease is read again": ["spec.refreshAfter"],
    "allowStaticCreds of a path that is no static role issues as without it": ["spec.allowStaticCreds"],
    "come once for each credential after the first, and not for renewals": [
      "spec.rolloutRestartTargets[].{kind,name}",
      "status.conditions",
    ],
    "come once for each rotation of a static role, whose Secret is written once for it": [
      "spec.rolloutRestartTargets[].{kind,name}",
    ],
    "has the declared name, type, labels and annotations, beside the owner's": [
      "spec.destination.{name,type,labels,annotations}",
    ],
    "create: false fills a Secret that others made, and issues nothing before there is one": [
      "spec.destination.create",
    ],
    "overwrite takes one over that has no owner; without it nothing is issued": ["spec.destination.overwrite"],
    "is shaped by templates, references and filters; a change of them issues anew": SHAPED,
    "has the lease, its times and conditions; a renewal does not change it": [
      "status.secretLease.{id,duration,renewable,requestID}",
      "status.{lastRenewalTime,lastGeneration,observedGeneration,conditions}",
    ],
    "has the next lease after the next issue": ["status.lastRenewalTime"],
    "keeps what VSO writes for itself, but for the client whose credential was replaced": [
      "status.vaultClientMeta.{cacheKey,id}",
    ],
    "of a static role has its rotation, and a MAC of its data": [
      "status.staticCredsMetaData.{lastVaultRotation,rotationPeriod,ttl}",
      "status.secretMAC",
    ],
  }),
];

const VPS = "VaultPKISecret";

/** What is shown of VaultPKISecret. */
const OF_PKI_SECRETS: readonly Covering[] = [
  ...shown(VPS, "e2e/pki-secret.test.ts", {
    "is written when it is declared, with tls.crt, tls.key and ca.crt": [
      "spec.{mount,role,commonName}",
      "spec.destination.{name,create,type}",
      "status.{valid,expiration}",
    ],
    "a name more is another certificate; the names that it has already are none": ["spec.altNames"],
    "with revoke it is revoked when its declaration goes": ["spec.revoke"],
    "format and privateKeyFormat are those of the fields; those of a Secret for TLS are PEM": [
      "spec.{format,privateKeyFormat}",
    ],
    "clear empties a Secret of others with the declaration": ["spec.clear"],
    "a role that is not there is told in valid and error": ["status.{valid,error}"],
    "asks in the Vault namespace that it names": ["spec.namespace"],
  }),
  ...shown(VPS, "core/pki-fields.test.ts", {
    "goes to its mount and role, with the login of its vaultAuthRef and its names": [
      "spec.{vaultAuthRef,mount,role,commonName,altNames,ipSans,uriSans,excludeCNFromSans}",
    ],
    "issuerRef names the issuer, and another one issues anew": ["spec.issuerRef"],
    "ttl is how long it lasts": ["spec.ttl"],
    "a shorter expiryOffset is as long as it says, and at least a minute": ["spec.expiryOffset"],
    "revoke: the certificate is revoked with the declaration; without, it is not": ["spec.revoke"],
    "revoke: a replaced one as its annotation says, and without targets not before its end": ["spec.revoke"],
    "clear: a Secret of others is emptied, and stays; without, it keeps its data": [
      "spec.clear",
      "spec.destination.create",
    ],
    "is for TLS, or has all fields of the answer, by its type; labels and annotations are as declared": [
      "spec.destination.{name,type,labels,annotations}",
    ],
    "overwrite takes one over that has no owner; without it nothing is issued": ["spec.destination.overwrite"],
    "is shaped by templates, references and filters; a change of them issues anew": SHAPED,
    "each certificate after the first restarts its targets once": [
      "spec.rolloutRestartTargets[].{kind,name}",
      "status.conditions",
    ],
    "names the certificate and its times, and changes with it": [
      "status.{serialNumber,expiration,lastRotation,secretMAC,lastGeneration,observedGeneration,valid,error,conditions}",
    ],
    "is not valid while no certificate can be issued, says why, and keeps the one that is in use": [
      "status.{valid,error}",
    ],
  }),
  ...shown(VPS, "contract/pki.test.ts", {
    "have all names together": ["spec.{commonName,altNames,ipSans,uriSans,otherSans,userIDs}"],
    "end when notAfter says": ["spec.notAfter"],
    "come from the declared issuer": ["spec.issuerRef"],
  }),
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

export const COVERED: readonly Covering[] = [
  ...OF_STATIC_SECRETS,
  ...OF_DYNAMIC_SECRETS,
  ...OF_PKI_SECRETS,
  ...OF_LOGINS,
  ...OF_STATUSES,
];
