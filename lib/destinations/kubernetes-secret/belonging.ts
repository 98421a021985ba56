import { SyncError } from "../../errors.ts";
import { OWNER_LABELS } from "../../owner-labels.ts";
import type { SeenSecret } from "../../ports/secrets.ts";
import { DestinationAwaited } from "../destination.ts";
import { type Owners, ownersOf, type Rival } from "./owners.ts";
import type { Decision, Seen } from "./state.ts";

/**
 * May we write to this Secret (`create: true`)? Undefined: yes. It is ours when we know to have written it, when our own
 * reference stands on it, or when it bears the owner's labels and nobody else who is there owns it: then its references are
 * put back like all else that is declared. What has no labels of ours is taken with `overwrite` alone.
 *
 * Of two declarations of one Secret the one that wrote it goes on writing. The other one may have its owner reference stand
 * beside, so that the collector leaves the Secret when the first one goes, and no more than that while the first one is declared.
 */
export function mayNotWrite(seen: Seen, secret: SeenSecret): Decision | undefined {
  const owners = ownersOf(secret, seen.destination.ownerReference);
  const rivals = seen.rivals ?? [];
  // What is recorded may be of long ago: another one may have taken it over since, and says so by its label.
  const isTaken = isRecorded(seen, secret) && owners.own === "absent" && rivals.some(({ wrote }) => wrote);
  const isWriter = isRecorded(seen, secret) && !isTaken;
  const strangers = strangersIn(owners, isWriter);
  if (strangers.length > 0) throw ownedByStrangers(seen, strangers);
  if (isWriter) return undefined;
  const [rival, ...others] = rivals;
  if (rival !== undefined) {
    // The record goes first, with the settle that follows: who stands beside with it in hand would pass for the writer.
    if (!isTaken && others.length === 0 && mayStandBeside(secret, owners, rival)) {
      return { do: "stand-beside", seen: secret };
    }
    throw awaited(seen, rival, others);
  }
  const missing = missingOwnerLabels(secret);
  if (missing.length > 0 && !seen.destination.overwrite) throw unlabelled(seen, missing);
  return undefined;
}

/** We know to have written this very Secret, and not just one of its name. */
export function isRecorded({ row, destination }: Seen, secret: Pick<SeenSecret, "uid">): boolean {
  return row.state.owned.some(({ name, uid }) => name === destination.name && uid === secret.uid);
}

/**
 * Owners of other kinds that keep us off. A Secret that we wrote is let go for a controller; another owner beside our own
 * reference makes Vault Secrets Operator refuse a Secret, and us too.
 */
function strangersIn({ own, foreign }: Owners, isWriter: boolean): readonly string[] {
  const kept = isWriter && own === "absent" ? foreign.filter(({ controls }) => controls) : foreign;
  return kept.map(({ what }) => what);
}

function ownedByStrangers({ destination }: Seen, strangers: readonly string[]): SyncError {
  return new SyncError(
    "SECRET_NOT_OURS",
    `not the owner of the destination Secret ${destination.name}: its ownerReferences are not ours alone, they name ${listed(strangers)}. ` +
      "Choose another destination.name, or take those references off if nobody needs them; destination.overwrite takes nothing that has an owner",
  );
}

function mayStandBeside(secret: SeenSecret, { own }: Owners, { by }: Rival): boolean {
  return own === "absent" && by === "reference" && !secret.deleting;
}

function awaited(seen: Seen, first: Rival, others: readonly Rival[]): DestinationAwaited {
  const rivals = [first, ...others];
  return new DestinationAwaited(
    seen.destination.name,
    `not the owner of the destination Secret ${seen.destination.name}: ${listed(rivals.map(({ kind, name }) => `${kind} ${name}`))} ` +
      `${first.by === "mark" ? "wrote it and is declared still" : "is declared still and stands in its ownerReferences"}. It is taken over, ` +
      "as it stands, once that declaration is gone or names another destination; until then choose another destination.name",
  );
}

/** A message is no place for a list without end. */
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
