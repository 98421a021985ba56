import { isOfKey, sameDigest } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import { WAITS_FOR_A_SECRET } from "../../failures/release-wake.ts";
import { isApplied, isToVerify } from "../../ports/rows.ts";
import type { SeenSecret } from "../../ports/secrets.ts";
import { mayNotWrite } from "./belonging.ts";
import { ownersOf } from "./owners.ts";
import { type Decision, ownedUnder, type Seen } from "./state.ts";

type Check = (seen: Seen) => Decision | undefined;

/** When do we write? First match wins: a later check may rely on the earlier ones. */
const CHECKS: readonly Check[] = [
  mustBeObserved,
  othersSecretIsMissing, //   create: false   -> SECRET_MISSING
  othersDataDiffers, //       create: false   -> replace
  secretIsAbsent, //          observed        -> create
  secretIsLeaving, //         observed        -> SECRET_TERMINATING
  secretIsNotOurs, //         observed        -> SECRET_NOT_OURS, or stand-beside
  typeDiffers, //             observed        -> recreate
  secretIsImmutable, //       observed        -> SECRET_IMMUTABLE
  contentDiffers, //          observed        -> take-over or apply
  secretIsInStep, //          observed        -> adopt
  neverWritten, //            not observed   -> create
  typeChanged, //             not observed   -> observe
  vsoOwnsFields, //           not observed   -> observe
  digestDiffers, //           not observed   -> apply
  declarationChanged, //      not observed   -> apply
  isReasserted, //            observe: apply  -> reassert
  oldNamesAreLeft, //                         -> prune
];

/** The next change; undefined when nothing is left to do. */
export function decide(seen: Seen): Decision | undefined {
  for (const check of CHECKS) {
    const decision = check(seen);
    if (decision) return decision;
  }
  return undefined;
}

function recordedAt(seen: Seen): { uid: string; resourceVersion: string; type?: string } | undefined {
  const owned = ownedUnder(seen.row, seen.destination.name);
  if (owned?.uid === undefined || owned.resourceVersion === undefined) return undefined;
  return { uid: owned.uid, resourceVersion: owned.resourceVersion, ...(owned.type ? { type: owned.type } : {}) };
}

function observed(seen: Seen): SeenSecret | undefined {
  return typeof seen.secret === "object" ? seen.secret : undefined;
}

function mustBeObserved(seen: Seen): Decision | undefined {
  if (seen.secret !== "unread" || seen.applied) return undefined;
  const someoneSawADifference = isToVerify(seen.row);
  const isNotOurs = !seen.destination.create;
  const owned = ownedUnder(seen.row, seen.destination.name);
  const writeOfUnknownEnd = owned !== undefined && owned.uid === undefined;
  const digestOfAnotherKey = seen.row.state.digest !== undefined && !isOfKey(seen.key, seen.row.state.digest);
  // Records from before the error may describe another declaration's Secret by now.
  const wasRefused = WAITS_FOR_A_SECRET.has(seen.row.state.error?.code);
  const isUnsure = writeOfUnknownEnd || digestOfAnotherKey || wasRefused;
  if (someoneSawADifference || isNotOurs || isUnsure) return { do: "observe" };
  return undefined;
}

function othersSecretIsMissing(seen: Seen): Decision | undefined {
  if (seen.destination.create || seen.secret !== "absent") return undefined;
  throw new SyncError(
    "SECRET_MISSING",
    `Secret ${seen.destination.name} does not exist, and destination.create is false: create it, or set destination.create: true`,
  );
}

function othersDataDiffers(seen: Seen): Decision | undefined {
  const secret = observed(seen);
  if (seen.destination.create || !secret) return undefined;
  if (secret.deleting) throw leaving(seen);
  if (seen.secretDigest !== undefined && sameDigest(seen.secretDigest, seen.digest)) return undefined;
  if (secret.immutable) throw immutable(seen);
  return { do: "replace", uid: secret.uid, because: "its data differs" };
}

function secretIsAbsent(seen: Seen): Decision | undefined {
  return seen.secret === "absent" ? { do: "create" } : undefined;
}

function leaving(seen: Seen): SyncError {
  return new SyncError(
    "SECRET_TERMINATING",
    `Secret ${seen.destination.name} is being deleted: a finalizer holds it, or its namespace is being deleted`,
  );
}

function secretIsLeaving(seen: Seen): Decision | undefined {
  if (observed(seen)?.deleting) throw leaving(seen);
  return undefined;
}

/** Restores labels and references of our Secret that someone removed, like any field. */
function secretIsNotOurs(seen: Seen): Decision | undefined {
  const secret = observed(seen);
  return secret && seen.destination.create ? mayNotWrite(seen, secret) : undefined;
}

function typeDiffers(seen: Seen): Decision | undefined {
  const secret = observed(seen);
  if (!secret || !seen.destination.create || secret.type === seen.destination.type) return undefined;
  return { do: "recreate", seen: secret };
}

function immutable(seen: Seen): SyncError {
  return new SyncError(
    "SECRET_IMMUTABLE",
    `Secret ${seen.destination.name} is immutable and its data should change: delete it, and keyferry creates it again`,
  );
}

function dataDiffers(seen: Seen): boolean {
  return seen.secretDigest === undefined || !sameDigest(seen.secretDigest, seen.digest);
}

function secretIsImmutable(seen: Seen): Decision | undefined {
  const secret = observed(seen);
  if (secret?.immutable && seen.destination.create && dataDiffers(seen)) throw immutable(seen);
  return undefined;
}

/** Foreign labels and annotations stay; ours must be as declared. */
function lacks(actual: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).some(([name, value]) => actual[name] !== value);
}

function contentDiffers(seen: Seen): Decision | undefined {
  const secret = observed(seen);
  if (!secret || !seen.destination.create) return undefined;
  const isKnown = secret.managed.ours || isOfVso(seen);
  const differences = [
    ...(dataDiffers(seen) ? ["its data differs"] : []),
    ...(lacks(secret.labels, seen.destination.labels) ? ["its labels differ"] : []),
    ...(lacks(secret.annotations, seen.destination.annotations) ? ["its annotations differ"] : []),
    ...(ownersOf(secret, seen.destination.ownerReference).own === "as-written" ? [] : ["its owner reference differs"]),
    ...(isApplied(seen.row) || !isKnown ? [] : ["its declaration changed"]),
  ];
  if (differences.length === 0) return undefined;
  if (secret.managed.vso) return { do: "take-over", resourceVersion: secret.resourceVersion };
  return {
    do: "apply",
    uid: secret.uid,
    resourceVersion: secret.resourceVersion,
    because: differences.join(", "),
  };
}

function secretIsInStep(seen: Seen): Decision | undefined {
  const secret = observed(seen);
  if (!secret || !seen.destination.create) return undefined;
  const known = ownedUnder(seen.row, seen.destination.name);
  const isRecorded =
    known?.uid === secret.uid &&
    known.resourceVersion === secret.resourceVersion &&
    seen.row.state.digest !== undefined &&
    isOfKey(seen.key, seen.row.state.digest) &&
    sameDigest(seen.row.state.digest, seen.digest) &&
    isApplied(seen.row);
  return isRecorded || seen.applied ? undefined : { do: "adopt", seen: secret };
}

function isUnread(seen: Seen): boolean {
  return seen.secret === "unread" && !seen.applied && seen.destination.create;
}

function neverWritten(seen: Seen): Decision | undefined {
  return isUnread(seen) && recordedAt(seen) === undefined ? { do: "create" } : undefined;
}

function typeChanged(seen: Seen): Decision | undefined {
  const type = recordedAt(seen)?.type;
  return isUnread(seen) && type !== undefined && type !== seen.destination.type ? { do: "observe" } : undefined;
}

function applyAtRecorded(seen: Seen, because: string): Decision | undefined {
  const at = recordedAt(seen);
  return at && { do: "apply", uid: at.uid, resourceVersion: at.resourceVersion, because };
}

function isOfVso(seen: Seen): boolean {
  return ownedUnder(seen.row, seen.destination.name)?.ofVso === true;
}

/**
 * VSO's fields become ours before the first apply: otherwise its keys and labels could never be removed
 * (kubernetes-rules 3).
 */
function vsoOwnsFields(seen: Seen): Decision | undefined {
  const wouldApply = isOfVso(seen) && (digestDiffers(seen) ?? declarationChanged(seen) ?? isReasserted(seen));
  return wouldApply ? { do: "observe" } : undefined;
}

function digestDiffers(seen: Seen): Decision | undefined {
  if (!isUnread(seen)) return undefined;
  const same = seen.row.state.digest !== undefined && sameDigest(seen.row.state.digest, seen.digest);
  return same ? undefined : applyAtRecorded(seen, "Vault's data changed");
}

function declarationChanged(seen: Seen): Decision | undefined {
  return isUnread(seen) && !isApplied(seen.row) ? applyAtRecorded(seen, "its declaration changed") : undefined;
}

function isReasserted(seen: Seen): Decision | undefined {
  const at = isUnread(seen) && seen.observe === "apply" ? recordedAt(seen) : undefined;
  return at && { do: "reassert", uid: at.uid, resourceVersion: at.resourceVersion };
}

function oldNamesAreLeft(seen: Seen): Decision | undefined {
  const names = seen.row.state.owned.map((owned) => owned.name).filter((name) => name !== seen.destination.name);
  return names.length > 0 ? { do: "prune", names } : undefined;
}
