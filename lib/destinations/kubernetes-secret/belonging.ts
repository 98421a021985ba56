import { SyncError } from "../../errors.ts";
import { OWNER_LABELS, OWNER_UID_LABEL } from "../../owner-labels.ts";
import type { SeenSecret } from "../../ports/secrets.ts";
import { DestinationAwaited } from "../destination.ts";
import { type Owners, ownersOf, type Rival } from "./owners.ts";
import { type Decision, ownedUnder, type Seen } from "./state.ts";

/**
 * Whether we may write to this Secret (`create: true`); undefined: yes. It is ours when we recorded the write, when its
 * marks show that we wrote it last, when our own reference is on it, or when it has the owner's labels and no other existing owner: then its references are
 * restored like any declared field. A Secret without our labels is only taken with `overwrite`. Of two declarations of
 * one Secret the one that wrote it continues. The other one may only add its owner reference, so that the garbage
 * collector keeps the Secret after the first one is gone.
 */
export function mayNotWrite(seen: Seen, secret: SeenSecret): Decision | undefined {
  const owners = ownersOf(secret, seen.destination.ownerReference);
  const rivals = seen.rivals ?? [];
  // The record may be old: another declaration may have taken it over since, as its label shows.
  const isTaken = isRecorded(seen, secret) && owners.own === "absent" && rivals.some(({ wrote }) => wrote);
  const isWriter = (isRecorded(seen, secret) && !isTaken) || hasOurMark(seen, secret, owners);
  const strangers = strangersIn(owners, isWriter);
  if (strangers.length > 0) throw ownedByStrangers(seen, strangers);
  if (isWriter) return undefined;
  const [rival, ...others] = rivals;
  if (rival !== undefined) {
    // The record is removed first, by the settle that follows: otherwise this declaration would count as the writer.
    if (!isTaken && others.length === 0 && mayStandBeside(secret, owners, rival)) {
      return { do: "stand-beside", seen: secret };
    }
    throw awaited(seen, rival, others);
  }
  const missing = missingOwnerLabels(secret);
  if (missing.length > 0 && !seen.destination.overwrite) throw unlabelled(seen, missing);
  return undefined;
}

/**
 * Whether its label and our reference show that we wrote it last. A worker that died after its write left no record:
 * without this, two declarations of one Secret would wait for each other for good.
 */
function hasOurMark({ destination }: Seen, { labels }: SeenSecret, { own }: Owners): boolean {
  return own !== "absent" && labels[OWNER_UID_LABEL] === destination.ownerReference.uid;
}

/** Whether the record is of this very Secret, and not only of one with the same name. */
export function isRecorded({ row, destination }: Seen, secret: Pick<SeenSecret, "uid">): boolean {
  return row.state.owned.some(({ name, uid }) => name === destination.name && uid === secret.uid);
}

/**
 * Other owners that prevent our writes. We give up a Secret that we wrote to a controller; another owner besides our
 * own reference makes Vault Secrets Operator refuse a Secret, and us too.
 */
function strangersIn({ own, foreign }: Owners, isWriter: boolean): readonly string[] {
  const kept = isWriter && own === "absent" ? foreign.filter(({ controls }) => controls) : foreign;
  return kept.map(({ what }) => what);
}

function ownedByStrangers({ destination }: Seen, strangers: readonly string[]): SyncError {
  return new SyncError(
    "SECRET_NOT_OURS",
    `not the owner of the destination Secret ${destination.name}: its ownerReferences also name ${listed(strangers)}. ` +
      "Choose another destination.name, or remove those references if they are not needed; destination.overwrite takes over only Secrets without an owner",
  );
}

function mayStandBeside(secret: SeenSecret, { own }: Owners, { by }: Rival): boolean {
  return own === "absent" && by === "reference" && !secret.deleting;
}

function awaited(seen: Seen, first: Rival, others: readonly Rival[]): DestinationAwaited {
  const { name } = seen.destination;
  const rivals = listed([first, ...others].map((rival) => `${rival.kind} ${rival.name}`));
  const isOnlyToLeave = others.length === 0 && first.names !== undefined;
  const why = isOnlyToLeave ? stillToLeave(seen, first.names) : stillThere(first);
  return new DestinationAwaited(name, `not the owner of the destination Secret ${name}: ${rivals} ${why}`);
}

function stillThere({ by }: Rival): string {
  return (
    `${by === "mark" ? "wrote it and still exists" : "still exists and is in its ownerReferences"}. keyferry takes it over, ` +
    "unchanged, once that declaration is gone or names another destination; until then choose another destination.name"
  );
}

/** It leaves a Secret once it has written the other one: two that swap their Secrets never do. */
function stillToLeave({ row }: Seen, names: string): string {
  return ownedUnder(row, names) === undefined
    ? `now names ${names}, but has not left this Secret yet. keyferry takes it over, unchanged, once it has`
    : `now names ${names}, which this declaration has not left: each waits for the other. ` +
        "Give one of them a third destination.name first";
}

/** Limits the length of a list in a message. */
function listed(names: readonly string[]): string {
  const [some, more] = [names.slice(0, 3), names.length - 3];
  return more > 0 ? `${some.join(", ")} and ${more} more` : some.join(", ");
}

function missingOwnerLabels(secret: SeenSecret): readonly string[] {
  return Object.entries(OWNER_LABELS)
    .filter(([name, value]) => secret.labels[name] !== value)
    .map(([name]) => name);
}

function unlabelled({ destination }: Seen, missing: readonly string[]): SyncError {
  return new SyncError(
    "SECRET_NOT_OURS",
    `not the owner of the destination Secret ${destination.name}: it lacks the labels ${missing.join(", ")}. ` +
      "Choose another destination.name, remove that Secret, or set destination.overwrite: true if nobody else manages it",
  );
}
