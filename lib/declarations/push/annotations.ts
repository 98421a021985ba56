import { SECOND_MS } from "../../clock.ts";
import type { PushSettings } from "../../ports/fleet-push.ts";
import { pushPathProblems, trimmedPath } from "../../push-paths.ts";
import type { AnnotatedKind } from "../../resource-kinds.ts";
import type { Complaint } from "../../util/complaints.ts";
import { type PushEntry, parseEntries } from "./entries.ts";
import { parseGoDuration } from "./go-duration.ts";
import { MAX_SOURCES, type MountedSecret } from "./sources.ts";

/** The annotations of Vault Sync Operator that keyferry reads, and two of its own. */
export const PUSH_PATH = "vault-sync.io/path";
export const PUSH_SECRETS = "vault-sync.io/secrets";
export const PUSH_PRESERVE = "vault-sync.io/preserve-on-delete";
export const PUSH_RECONCILE = "vault-sync.io/reconcile";
export const PUSH_ROTATION_CHECK = "vault-sync.io/rotation-check";
/** Written by Vault Sync Operator with each of its pushes. Only its presence is part of a declaration. */
export const PUSH_VERSIONS = "vault-sync.io/secret-versions";
/** Each new value asks for a run, as on resources that sync. */
export const PUSH_REFRESH = "keyferry.dev/refresh";
/** Pushes a Secret although another program copied it into the cluster. */
export const PUSH_SYNCED = "keyferry.dev/push-synced";

const READ: readonly string[] = [
  PUSH_PATH,
  PUSH_SECRETS,
  PUSH_PRESERVE,
  PUSH_RECONCILE,
  PUSH_ROTATION_CHECK,
  PUSH_SYNCED,
  PUSH_REFRESH,
];

/** Shorter intervals count as this. */
const SHORTEST_MS = 30 * SECOND_MS;
/** The wheel's last step is somewhat longer. */
const LONGEST_MS = 365 * 24 * 3_600 * SECOND_MS;

/** One object in Vault: everything that is written to one path. */
export interface PushObject {
  /** The segment below the declared path; missing: the path itself. */
  readonly below?: string;
  readonly entries: readonly PushEntry[];
}

/** What an annotated object or a VaultPushSecret declares. */
export interface PushDeclaration {
  /** Where its path is declared, for messages. */
  readonly field: "vault-sync.io/path" | "spec.destination.path";
  /** The mount that it names, which must be the one that Vault knows. */
  readonly expects?: { readonly mount: string; readonly engine?: "kv-v1" | "kv-v2" };
  /** As declared, without slashes at its ends: its mount is not known yet. */
  readonly path: string;
  readonly objects: readonly PushObject[];
  /** What was pushed stays when the declaration goes. */
  readonly preserve: boolean;
  /** How often Vault is read again; missing: not by itself. */
  readonly reconcileMs?: number;
  /** Also what another program copied into the cluster. */
  readonly synced: boolean;
  /** Annotations that have no effect, or another one. */
  readonly warnings: readonly PushWarning[];
}

export interface PushWarning {
  readonly field: "reconcile" | "rotation-check" | "secrets";
  readonly message: string;
}

/** An annotated object, as far as it matters. */
export interface Annotated {
  readonly kind: AnnotatedKind;
  readonly name: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** The Secrets that its pod template refers to; none for a Secret. */
  readonly mounted: readonly MountedSecret[];
}

/** Whether annotations ask for a push. An empty path switches it off. */
export function isPushed(annotations: Readonly<Record<string, string>>): boolean {
  return (annotations[PUSH_PATH] ?? "") !== "";
}

/** Only the annotations that declare a push: others, and their changes, do not matter. */
export function pushAnnotations(annotations: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries([
    ...READ.flatMap((name) => (annotations[name] === undefined ? [] : [[name, annotations[name]]])),
    ...(annotations[PUSH_VERSIONS] === undefined ? [] : [[PUSH_VERSIONS, "(written by Vault Sync Operator)"]]),
  ]);
}

/** The declaration of an annotated object, or everything that is wrong with it, each with its annotation. */
export function parsePush(
  annotated: Annotated,
  { mountedOnly }: Pick<PushSettings, "mountedOnly">,
): PushDeclaration | { readonly complaints: readonly Complaint[] } {
  const { annotations } = annotated;
  const { [PUSH_PATH]: path = "", [PUSH_RECONCILE]: reconcile = "" } = annotations;
  const complaints: Complaint[] = pushPathProblems(path).map((message) => ({ path: [PUSH_PATH], message }));
  const warnings: PushWarning[] = [];
  const objects = objectsOf(annotated, complaints, warnings);
  if (mountedOnly) complaints.push(...unmounted(annotated, objects));
  const interval = intervalOf(reconcile);
  if (interval === undefined) {
    complaints.push({
      path: [PUSH_RECONCILE],
      message: 'must be off, or a duration such as "5m" or "1h30m", at most a year',
    });
  }
  if (complaints.length > 0) return { complaints };
  const { ms, warning } = interval ?? {};
  return {
    field: PUSH_PATH,
    path: trimmedPath(path),
    objects,
    preserve: annotations[PUSH_PRESERVE] === "true",
    ...(ms === undefined ? {} : { reconcileMs: ms }),
    synced: annotations[PUSH_SYNCED] === "true",
    warnings: [...warnings, ...(warning === undefined ? [] : [warning]), ...rotationWarning(annotations)],
  };
}

function objectsOf(
  { kind, name, annotations: { [PUSH_SECRETS]: text = "" }, mounted }: Annotated,
  complaints: Complaint[],
  warnings: PushWarning[],
): readonly PushObject[] {
  if (text !== "") return namedObjects(text, complaints, warnings);
  if (kind === "Secret") return [{ entries: [{ secret: name, prefix: "", optional: false }] }];
  if (mounted.length > MAX_SOURCES) {
    const message = `the pod template refers to ${mounted.length} Secrets, but at most ${MAX_SOURCES} are pushed: name them`;
    complaints.push({ path: [PUSH_SECRETS], message });
    return [];
  }
  return mounted.map(({ name: secret, optional }) => ({
    below: secret,
    entries: [{ secret, prefix: "", optional }],
  }));
}

/**
 * The one object of entries. Without any key they are refused, because it's a mistake that would empty the path: a
 * misspelt member, or a list that a template left empty.
 */
function namedObjects(text: string, complaints: Complaint[], warnings: PushWarning[]): readonly PushObject[] {
  const told = parseEntries(text);
  if ("complaints" in told) {
    complaints.push(...told.complaints.map((one) => ({ ...one, path: [PUSH_SECRETS, ...one.path] })));
    return [];
  }
  const { entries, misread } = told;
  if (entries.every(({ keys = [] }) => keys.length === 0)) {
    const message = `names no key, and what was pushed before stays as it is: name keys, such as [{"name":"db","keys":["user"]}], or remove ${PUSH_PATH} to push nothing`;
    complaints.push({ path: [PUSH_SECRETS], message });
    return [];
  }
  if (misread.length > 0) {
    const places = misread.map((at) => `[${at}]`).join(", ");
    const message = `${PUSH_SECRETS} has members without effect at ${places}: only name, keys and prefix count`;
    warnings.push({ field: "secrets", message });
  }
  return [{ entries }];
}

/** Secrets that are named, but neither mounted nor the annotated object itself. */
function unmounted({ kind, name, mounted }: Annotated, objects: readonly PushObject[]): readonly Complaint[] {
  const known = new Set(kind === "Secret" ? [name] : mounted.map((one) => one.name));
  const where = kind === "Secret" ? "is another Secret" : "is not mounted by the pod template";
  const names = new Set(objects.flatMap(({ entries }) => entries.map(({ secret }) => secret)));
  return [...names]
    .filter((secret) => !known.has(secret))
    .map((secret) => ({
      path: [PUSH_SECRETS],
      message: `Secret ${secret} ${where}, and push.mountedOnly of fleet.yaml allows no other`,
    }));
}

interface Interval {
  readonly ms?: number;
  readonly warning?: PushWarning;
}

/** Undefined: not a duration. */
function intervalOf(text: string): Interval | undefined {
  if (text === "" || text === "off") return {};
  const ms = parseGoDuration(text);
  return ms === undefined ? undefined : boundedInterval(ms, PUSH_RECONCILE);
}

/** At least 30 s, with a warning; undefined: it is longer than a year. `name`: of the field, for the warning. */
export function boundedInterval(ms: number, name: string): Interval | undefined {
  if (ms > LONGEST_MS) return undefined;
  if (ms >= SHORTEST_MS) return { ms };
  const message = `${name} is shorter than 30s, and counts as 30s`;
  return { ms: SHORTEST_MS, warning: { field: "reconcile", message } };
}

function rotationWarning({ [PUSH_ROTATION_CHECK]: check }: Annotated["annotations"]): readonly PushWarning[] {
  if (check !== "disabled") return [];
  const message = `${PUSH_ROTATION_CHECK} has no effect: keyferry never writes a version without a change`;
  return [{ field: "rotation-check", message }];
}
