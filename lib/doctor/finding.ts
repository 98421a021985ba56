/** What doctor can find: a closed list, and docs/doctor.md shows all of it. */

/** `error`: syncs fail, or will fail. `warning`: it works, but something will fail later. `info`: worth knowing. */
export type Severity = "error" | "warning" | "info";

interface FindingKind {
  readonly severity: Severity;
  /** Why it matters, as a sentence. */
  readonly why: string;
}

/** Every finding with its severity and why it matters. */
export const FINDINGS = {
  HUB_UNREAD: {
    severity: "error",
    why: "Clusters of this hub that keyferry does not know yet are not examined, and none of them joins or leaves the fleet.",
  },
  HUB_CLUSTER_REFUSED: { severity: "error", why: "The object of the hub is no cluster of the fleet." },
  ACCESS_UNUSABLE: { severity: "error", why: "keyferry can't connect to the cluster with what fleet.yaml says." },
  CLUSTER_NAME_UNKNOWN: { severity: "error", why: "The name of the API server has no address here." },
  CLUSTER_UNREACHABLE: { severity: "error", why: "Nothing in this cluster is read or written." },
  CLUSTER_TLS_REFUSED: { severity: "error", why: "keyferry sends nothing to an API server that it can't verify." },
  CLUSTER_LOGIN_REFUSED: { severity: "error", why: "The API server does not accept keyferry's credentials." },
  CLUSTER_NOT_CHECKED: { severity: "error", why: "The check did not finish, so this cluster may have other problems." },
  CREDENTIAL_ENDED: { severity: "error", why: "The API server refuses a credential that has ended." },
  CREDENTIAL_ENDS_SOON: { severity: "warning", why: "After its end keyferry can't log in to the cluster any more." },
  CERTIFICATE_ENDS_SOON: { severity: "warning", why: "After its end TLS fails, and all syncs that need it wait." },
  CLUSTER_VERSION_OLD: { severity: "warning", why: "keyferry is not tested with such an old API server." },
  VERSIONS: { severity: "info", why: "Bug reports need it." },
  CLOCK_SKEW: {
    severity: "warning",
    why: "Tokens, certificates and leases seem to end too early or too late when clocks differ.",
  },
  CRD_MISSING: { severity: "error", why: "Nobody can declare such a resource, and keyferry can't read it." },
  CRD_FIELDS_MISSING: { severity: "warning", why: "The API server silently drops these fields of a declaration." },
  KIND_NOT_READ: { severity: "warning", why: "keyferry does nothing with such a resource: its Secret is not kept." },
  KIND_NOT_CHECKED: { severity: "info", why: "keyferry would do nothing with resources of this kind." },
  NAMESPACE_MISSING: {
    severity: "error",
    why: "Defaults, the key of MACs and the mark of this installation live in the operator namespace.",
  },
  OPERATOR_NAMESPACE_DOUBTFUL: {
    severity: "error",
    why: "Any user may have created the namespace, so keyferry uses nothing in it.",
  },
  OTHER_INSTALLATION: { severity: "error", why: "Two installations must not write to one cluster: this one stops." },
  HMAC_KEY_UNUSABLE: {
    severity: "warning",
    why: "Without this key statuses have no MAC, and a way back to VSO writes.",
  },
  HMAC_KEY_MISSING: { severity: "info", why: "Without this key statuses have no MAC until a run creates it." },
  VSO_AT_WORK: { severity: "error", why: "Two controllers must not write to one Secret: keyferry suspends its work." },
  RIGHT_MISSING: { severity: "error", why: "The API server refuses what keyferry has to do for these declarations." },
  RIGHT_USEFUL: {
    severity: "warning",
    why: "Without it keyferry can't tell the operator namespace from another one, or VSO at work, or makes no MACs.",
  },
  RIGHTS_NOT_CHECKED: { severity: "info", why: "Missing rights there would show only when a sync fails." },
  QUOTA_EXCEEDED: { severity: "error", why: "The quota leaves no room for another Secret in the namespace." },
  ADMISSION_BROKEN: { severity: "error", why: "Each write of a Secret fails while the webhook does not answer." },
  ADMISSION_DENIES: { severity: "warning", why: "The webhook or policy may refuse the Secrets of keyferry, too." },
  WEBHOOK_FAILS_CLOSED: {
    severity: "info",
    why: "While the webhook is down, keyferry can't write Secrets in the namespaces that it covers.",
  },
  INJECTOR_BESIDE: {
    severity: "warning",
    why: "New pods get what one of two injectors makes of them, with its settings alone.",
  },
  DECLARATION_INVALID: { severity: "error", why: "keyferry does not work on the resource until it is corrected." },
  REFERENCE_MISSING: { severity: "error", why: "Syncs that name it can't log in to Vault, or not make their data." },
  REFERENCE_INVALID: { severity: "error", why: "Syncs that name it can't log in to Vault, or not make their data." },
  REFERENCE_NOT_ALLOWED: { severity: "error", why: "The VaultAuth may be used only by namespaces that it allows." },
  SERVICE_ACCOUNT_MISSING: { severity: "error", why: "keyferry logs in to Vault with tokens of this account." },
  CREDENTIAL_MISSING: { severity: "error", why: "keyferry logs in to Vault with what this Secret holds." },
  AUDIENCE_MISSING: {
    severity: "warning",
    why: "Vault, or anyone who poses as it, could use the token at the cluster's own API server.",
  },
  VAULT_ADDRESS_NOT_ALLOWED: { severity: "error", why: "fleet.yaml decides which Vaults resources may name." },
  VAULT_NAME_UNKNOWN: { severity: "error", why: "The name of the Vault has no address here." },
  VAULT_UNREACHABLE: { severity: "error", why: "Secrets of this Vault stay as they are until it answers." },
  VAULT_TLS_REFUSED: { severity: "error", why: "keyferry sends nothing to a Vault that it can't verify." },
  VAULT_NAMED_TWICE: {
    severity: "warning",
    why: "Events of a Vault find the syncs of one of its names only; the others wait for their refreshes.",
  },
  VAULT_NOT_VERIFIED: { severity: "warning", why: "Anyone between keyferry and Vault can read and change secrets." },
  VAULT_SEALED: { severity: "error", why: "A sealed Vault answers no request." },
  VAULT_ANSWER_INVALID: { severity: "error", why: "Something answers there, but not as a Vault." },
  VAULT_LOGIN_REFUSED: { severity: "error", why: "Without a login none of these syncs can read its secret." },
  VAULT_MOUNT_MISSING: { severity: "error", why: "Without a login none of these syncs can read its secret." },
  EVENTS_RIGHT_MISSING: {
    severity: "warning",
    why: "Vault refuses the subscription of instantUpdates: changes are found by refreshes.",
  },
  VAULT_RIGHT_MISSING: { severity: "error", why: "Vault refuses what these declarations ask for." },
  CHECK_FAILED: { severity: "warning", why: "This check did not finish: the others are complete." },
  STACK_NOT_CHECKED: {
    severity: "error",
    why: "Functions, queues, alarms and the lease table were not examined: nobody knows whether they work.",
  },
  ENGINE_STOPPED: { severity: "error", why: "Nothing is refreshed while no tick runs." },
  QUEUE_LATE: { severity: "error", why: "Work waits longer than it should: functions fail, or are too few." },
  DEAD_LETTERS: { severity: "error", why: "A dead letter is a crash of a function: its work was given up." },
  ALARM_RINGS: { severity: "error", why: "An alarm of the stack is in state ALARM." },
  TABLE_UNUSABLE: { severity: "error", why: "Without its lease table keyferry does nothing." },
  STACK_UNFINISHED: { severity: "error", why: "A stack in this state may lack parts, or have those of two versions." },
  FUNCTION_ERRORS: { severity: "warning", why: "Errors of a function are bugs, or missing permissions." },
  FUNCTION_UNUSABLE: { severity: "error", why: "A function that is not active does no work." },
  FLEET_UNREADABLE: { severity: "error", why: "Functions keep the fleet that they last read, and new ones stop." },
} as const satisfies Record<string, FindingKind>;

export type FindingCode = keyof typeof FINDINGS;

/**
 * What mends it.
 * - `manifest`: YAML for `kubectl apply -f -`.
 * - `commands`: for a shell, run by an administrator of the cluster, Vault or account.
 * - `fleet`: members to set in fleet.yaml, a list entry by its name.
 * - `advice`: only a person can decide.
 */
export interface Remedy {
  readonly kind: "manifest" | "commands" | "fleet" | "advice";
  readonly text: string;
}

export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** Missing: it concerns a stack, or the whole fleet. */
  readonly cluster?: string;
  /** The object: `VaultAuth shop/default`, `https://vault.example.com:8200`. */
  readonly where: string;
  /** What is wrong there, as a sentence. */
  readonly what: string;
  readonly why: string;
  /** Missing: there is nothing to mend. */
  readonly remedy?: Remedy;
}

/** A finding of this code, with the severity and the reason that the list has for it. */
export function finding(code: FindingCode, about: Omit<Finding, "code" | "severity" | "why">): Finding {
  return { code, ...FINDINGS[code], ...about };
}

const ORDER: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

/** Errors first; otherwise as the checks have found them. */
export function bySeverity(findings: readonly Finding[]): readonly Finding[] {
  return findings.toSorted((a, b) => ORDER[a.severity] - ORDER[b.severity]);
}
