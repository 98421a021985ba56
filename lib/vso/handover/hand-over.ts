import { parseSpec } from "../../declarations/parse.ts";
import { isOwnedBy } from "../../destinations/kubernetes-secret/owners.ts";
import { secretMac } from "../../digest.ts";
import { namespaceMatcher } from "../../namespaces.ts";
import { HANDED_OVER, isHandedOver, TO_VSO } from "../../origins/handed-over.ts";
import { conditionList, isOwnCondition } from "../../origins/status.ts";
import { OWNER_LABELS } from "../../owner-labels.ts";
import type { ReconcileDeps } from "../../ports/deps.ts";
import type { ClusterSettings } from "../../ports/fleet.ts";
import type { NamedObject, ResourceRef } from "../../ports/objects.ts";
import type { ResourceChange, SeenResource } from "../../ports/resources.ts";
import type { HmacKeyFound, SeenSecret } from "../../ports/secrets.ts";
import { readingWay } from "../../reading-way.ts";
import {
  apiVersionOf,
  type KindRef,
  VAULT_DYNAMIC_SECRET,
  VAULT_PKI_SECRET,
  VAULT_STATIC_SECRET,
} from "../../resource-kinds.ts";
import { asObject } from "../../util/canonical.ts";
import { parallel } from "../../util/parallel.ts";
import { vsoAtWork } from "../stand-back/vso.ts";
import { listAll } from "./list-all.ts";

/** The scope of a handover: the secrets of a cluster, or of some of its namespaces. */
export interface HandOverScope {
  readonly settings: ClusterSettings;
  /** Empty: all that fleet.yaml includes. */
  readonly namespaces: readonly string[];
  /** Also syncs that are not in step: VSO writes them again, and may restart their workloads. */
  readonly force: boolean;
}

export type HandOverDeps = Pick<ReconcileDeps, "clusters" | "resources" | "secrets" | "clock">;

/**
 * What one declaration still lacks, so that VSO finds it as if it had written everything itself (kubernetes-rules 21,
 * 22).
 */
export interface SyncSurvey {
  readonly ref: ResourceRef;
  readonly uid: string;
  readonly secret: NamedObject | undefined;
  /** Reasons not to hand it over. */
  readonly complaints: readonly string[];
  readonly notes: readonly string[];
  /** The change of its metadata; undefined: none. */
  readonly change: ResourceChange | undefined;
  /**
   * Whether its `secretMAC` must become that of the Secret's current data: if this differs from Vault's, VSO rightly
   * writes it.
   */
  readonly needsMac: boolean;
  /** Whether its status has conditions that VSO would leave there for ever. */
  readonly hasOwnConditions: boolean;
}

export interface ClusterSurvey {
  readonly scope: HandOverScope;
  readonly hmacKey: HmacKeyFound;
  readonly complaints: readonly string[];
  readonly syncs: readonly SyncSurvey[];
  /** Of the scope's namespaces those that have no declarations here, or that fleet.yaml leaves out. */
  readonly emptyNamespaces: readonly string[];
}

/** Reads everything and changes nothing. */
export async function surveyForVso(
  deps: HandOverDeps,
  scope: HandOverScope,
  signal: AbortSignal,
): Promise<ClusterSurvey> {
  const { name, operatorNamespace } = scope.settings;
  const atWork = await holderOfLease(deps, scope, signal);
  const hmacKey = await deps.secrets.findHmacKey(name, operatorNamespace, signal);
  const { found, emptyNamespaces } = await declarationsIn(deps, scope, signal);
  const syncs = await parallel(found, (one) => surveyOne(deps, scope, hmacKey, one, signal));
  const complaints = [
    ...(atWork === undefined ? [] : [`Vault Secrets Operator works there already: ${atWork}. Scale it to zero first`]),
    ...(hmacKey.kind === "unusable" ? [`the key of VSO's MACs: ${hmacKey.why}`] : []),
  ];
  return { scope, hmacKey, complaints, syncs, emptyNamespaces };
}

/** Finds what was handed over and can be taken back. */
export async function surveyForKeyferry(
  deps: HandOverDeps,
  scope: HandOverScope,
  signal: AbortSignal,
): Promise<ClusterSurvey> {
  const atWork = await holderOfLease(deps, scope, signal);
  const complaints =
    atWork === undefined ? [] : [`Vault Secrets Operator works there: ${atWork}. Scale it to zero first`];
  const { found, emptyNamespaces } = await declarationsIn(deps, scope, signal);
  const handedOver = found.filter(({ seen }) => isHandedOver(seen.annotations));
  const change = { addFinalizers: [], annotations: { [HANDED_OVER]: null } };
  const syncs = handedOver.map(({ kind, seen: { uid, namespace, name: own } }): SyncSurvey => {
    const ref = { cluster: scope.settings.name, namespace, name: own, kind };
    const about = { secret: undefined, complaints: [], notes: [], needsMac: false, hasOwnConditions: false };
    return { ref, uid, change, ...about };
  });
  return { scope, hmacKey: { kind: "absent" }, complaints, syncs, emptyNamespaces };
}

/** VSO's state by its leader election lease: undefined when it is not at work. */
async function holderOfLease(
  { clusters, clock }: HandOverDeps,
  { settings }: HandOverScope,
  signal: AbortSignal,
): Promise<string | undefined> {
  const lease = await clusters.vsoLease(settings.name, settings.operatorNamespace, signal);
  return vsoAtWork(lease, clock());
}

/** A declaration, and its kind. */
interface Found {
  readonly kind: KindRef;
  readonly seen: SeenResource;
}

const KINDS = [VAULT_STATIC_SECRET, VAULT_DYNAMIC_SECRET, VAULT_PKI_SECRET] as const;

/** Declarations that are not being deleted, and the scope's namespaces that have none at all. */
async function declarationsIn(
  deps: Pick<HandOverDeps, "clusters" | "clock">,
  { settings, namespaces }: HandOverScope,
  signal: AbortSignal,
): Promise<{ readonly found: readonly Found[] } & Pick<ClusterSurvey, "emptyNamespaces">> {
  const isOurs = namespaceMatcher(settings.namespaces);
  const isMeant = (namespace: string): boolean => namespaces.length === 0 || namespaces.includes(namespace);
  const all: Found[] = [];
  for (const kind of KINDS) {
    const listed = await listAll(deps, settings, kind, signal, kind !== VAULT_STATIC_SECRET);
    const meant = listed.filter(({ namespace }) => isOurs(namespace) && isMeant(namespace));
    all.push(...meant.map((seen) => ({ kind, seen })));
  }
  const full = new Set(all.map(({ seen }) => seen.namespace));
  return {
    found: all.filter(({ seen }) => !seen.deleting),
    emptyNamespaces: namespaces.filter((namespace) => !full.has(namespace)),
  };
}

/** What VSO compares the Secret's data by, and what it does in any case. */
interface Declares {
  readonly destination: { readonly name: string; readonly create: boolean };
  readonly hasMac: boolean;
  readonly notes: readonly string[];
}

/** Undefined: its declaration is not valid. */
function declares({ kind, seen: { spec, status } }: Found): Declares | undefined {
  if (kind === VAULT_STATIC_SECRET) {
    const parsed = parseSpec("VaultStaticSecret", spec);
    if ("complaints" in parsed) return undefined;
    const { destination, hmacSecretData: hasMac } = parsed.spec;
    return { destination, hasMac, notes: destination.create || !hasMac ? [] : [REWRITTEN_BY_VSO] };
  }
  if (kind === VAULT_PKI_SECRET) {
    const parsed = parseSpec("VaultPKISecret", spec);
    if ("complaints" in parsed) return undefined;
    const { destination } = parsed.spec;
    return { destination, hasMac: true, notes: destination.create ? [] : [REISSUED_BY_VSO] };
  }
  const parsed = parseSpec("VaultDynamicSecret", spec);
  if ("complaints" in parsed) return undefined;
  const { destination, allowStaticCreds: hasMac = false } = parsed.spec;
  const isIssuedByVso = status.vaultClientMeta !== undefined;
  return { destination, hasMac, notes: hasMac || isIssuedByVso ? [] : [ISSUED_ANEW_BY_VSO] };
}

async function surveyOne(
  deps: HandOverDeps,
  { settings, force }: HandOverScope,
  hmacKey: HmacKeyFound,
  found: Found,
  signal: AbortSignal,
): Promise<SyncSurvey> {
  const { kind, seen } = found;
  const { namespace, name, uid } = seen;
  const ref: ResourceRef = { cluster: settings.name, namespace, name, kind };
  const lacks = { change: changeFor(found), hasOwnConditions: conditionList(seen.status).some(isOwnCondition) };
  const unstable = (complaints: readonly string[], secret?: NamedObject): SyncSurvey => {
    const about = { ref, uid, secret, ...lacks, needsMac: false };
    return force ? { ...about, complaints: [], notes: complaints } : { ...about, complaints, notes: [] };
  };
  const declared = declares(found);
  if (declared === undefined) return unstable(["its declaration is not valid"]);
  const { destination, hasMac, notes } = declared;
  const secret = { cluster: settings.name, namespace, name: destination.name };
  const there = await deps.secrets.observe(secret, readingWay(settings.observe), signal);
  const mac = there && hmacKey.kind === "found" ? secretMac(hmacKey.key, there.data) : undefined;
  const recorded = typeof seen.status.secretMAC === "string" ? seen.status.secretMAC : "";
  const complaints = [
    ...notInStep(seen),
    ...restartOwed(seen),
    ...(there ? (destination.create ? notItsOwn(found, there) : []) : [`Secret ${destination.name} does not exist`]),
  ];
  if (complaints.length > 0) return unstable(complaints, secret);
  const needsMac = hasMac && (mac === undefined || recorded !== mac);
  return { ref, uid, secret, complaints, notes, ...lacks, needsMac };
}

/** VSO compares with a cache of labelled Secrets only. */
const REWRITTEN_BY_VSO =
  "destination.create is false: VSO treats such a Secret as missing, and writes it and restarts its targets on every refresh";

const REISSUED_BY_VSO =
  "destination.create is false: VSO treats such a Secret as changed, and issues another certificate each time it looks";

const ISSUED_ANEW_BY_VSO =
  "VSO issues another credential when it starts, and restarts its targets: its tokens are its own. keyferry renews the " +
  "present one for the retention of its Vault";

/** VSO adds a missing finalizer, and mistakes this write for an edit (kubernetes-rules 21). */
function changeFor({ kind, seen: { finalizers, annotations } }: Found): ResourceChange | undefined {
  const { finalizer } = kind;
  const addFinalizers = finalizer === undefined || finalizers.includes(finalizer) ? [] : [finalizer];
  if (addFinalizers.length === 0 && isHandedOver(annotations)) return undefined;
  return { addFinalizers, annotations: { [HANDED_OVER]: TO_VSO } };
}

/** Whether its last refresh succeeded at its current generation. */
function notInStep({ status, generation }: SeenResource): readonly string[] {
  const list = Array.isArray(status.conditions) ? status.conditions.map(asObject) : [];
  const synced = list.find((condition) => condition?.type === "SecretSynced");
  const isPresent = status.lastGeneration === generation && synced?.observedGeneration === generation;
  if (synced?.status === "True" && isPresent) return [];
  const message = synced?.status === "False" && typeof synced.message === "string" ? synced.message : undefined;
  return [`it is not in step${message === undefined ? " yet" : `: ${message}`}`];
}

/** A restart that keyferry could not do: VSO would not know of it. */
function restartOwed({ status }: SeenResource): readonly string[] {
  const list = Array.isArray(status.conditions) ? status.conditions.map(asObject) : [];
  const failed = list.find((condition) => condition?.type === "RolloutRestart" && condition.status === "False");
  return failed === undefined ? [] : [`its targets are not restarted yet: ${failed.message ?? ""}`];
}

/** Reasons for VSO to refuse a write. */
function notItsOwn({ kind, seen: { name, uid } }: Found, secret: SeenSecret): readonly string[] {
  const apiVersion = apiVersionOf(kind);
  const isLabelled = Object.entries(OWNER_LABELS).every(([label, value]) => secret.labels[label] === value);
  const isOwned = isOwnedBy(secret, { apiVersion, kind: kind.kind, name, uid });
  return isLabelled && isOwned
    ? []
    : ["the Secret does not have exactly the labels and the owner reference that VSO requires"];
}
