import { type Digest, sameDigest } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import { listFor } from "./bodies.ts";
import { isTooFrequent } from "./frequency.ts";
import {
  isListed,
  isOurs,
  type ObjectDecision,
  type ObjectWork,
  type PushRules,
  pathText,
  type SeenObject,
} from "./state.ts";

/** When is a path written? The first check that matches decides; undefined: nothing is left to do. */
export function decide(work: ObjectWork, rules: PushRules): ObjectDecision | undefined {
  if (work.isDone) return undefined;
  const conflict = work.recorded.merged && rules.conflict === "fail" ? "merge" : rules.conflict;
  for (const check of CHECKS) {
    const decision = check(work, { ...rules, conflict });
    if (decision === "nothing") return undefined;
    if (decision === undefined) continue;
    const isWrite = decision.kind === "put" || decision.kind === "patch";
    return isWrite && isTooFrequent(work.recorded, rules.declaration, rules.now) ? { kind: "park" } : decision;
  }
  throw new Error(`no decision for ${pathText(work.at)}`);
}

type Check = (work: ObjectWork, rules: PushRules) => ObjectDecision | "nothing" | undefined;

type SeenData = Extract<SeenObject, { kind: "data" }>;

const inStep: Check = (work, { look }) => {
  const { seen, recorded, digest, refusedAt } = work;
  if (seen.kind !== "unread" || look || refusedAt !== undefined || !isSame(recorded.digest, digest)) return undefined;
  return recorded.removing ? undefined : onlyListed(work);
};

/** Once for a path, and again for each new declaration, since the login may have got the right meanwhile. */
const unasked: Check = ({ body, recorded, isAsked = false }, { isNew }) => {
  if (isAsked || recorded.binary === "listed" || listFor(body, recorded) === "") return undefined;
  return recorded.binary === undefined || isNew ? { kind: "ask" } : undefined;
};

/** Only at the recorded version: if that is not the newest any more, Vault refuses it and a read tells why. */
const sourceChanged: Check = ({ seen, recorded, refusedAt, at }, { look, conflict, isOfThisKey }) => {
  const { digest, version, removing } = recorded;
  if (seen.kind !== "unread" || look || removing || refusedAt !== undefined || conflict === "merge") return undefined;
  if (digest === undefined || !isOfThisKey(digest)) return undefined;
  if (at.engine === "kv-v2" && version === undefined) return undefined;
  return { kind: "put", cas: version ?? 0, because: "a Secret changed" };
};

const unread: Check = ({ seen }) => (seen.kind === "unread" ? { kind: "read" } : undefined);

/** By the recorded version alone: what someone else deletes or edits is not restored. */
const mayNotRead: Check = (work, { conflict }) => {
  const { seen, recorded, digest, refusedAt, at } = work;
  if (seen.kind !== "denied") return undefined;
  if (isSame(recorded.digest, digest) && !recorded.removing) return onlyListed(work);
  const isBlind = refusedAt !== undefined || conflict === "merge" || at.engine === "kv-v1";
  if (!isBlind) return { kind: "put", cas: recorded.version ?? 0, because: "a Secret changed" };
  const message = `${pathText(at)} may not be read, and holds another version than keyferry wrote: allow its login to read it`;
  throw new SyncError("VAULT_DENIED", message);
};

/** As the row has it: nothing is claimed, and nothing is written. */
const unchanged: Check = (work, { conflict }) => {
  const { seen, recorded, digest } = work;
  if (seen.kind !== "data" || seen.version !== recorded.version || !isSame(recorded.digest, digest)) return undefined;
  if (recorded.removing) return undefined;
  return isThere(seen, digest, conflict) ? onlyListed(work) : undefined;
};

/** The version was right, or does not count, so that Vault refuses the body or the path. */
const refusedBody: Check = ({ seen, refusedAt, at }) => {
  const wasRight = at.engine === "kv-v1" || refusedAt === versionOf(seen);
  if (refusedAt === undefined || !wasRight) return undefined;
  const message = `Vault does not accept a write to ${pathText(at)}: check the path, and the settings of its mount`;
  throw new SyncError("VAULT_ANSWER_INVALID", message);
};

/** Also after a crash that followed the write, and where another tool has written the same. */
const alreadyThere: Check = ({ seen, digest, recorded, at }, { conflict }) => {
  if (seen.kind !== "data" || !isThere(seen, digest, conflict)) return undefined;
  // Its removal may still be carried out late: of this version, and of no later one.
  if (recorded.removing && seen.version !== undefined && seen.version === recorded.version)
    return replaced(seen, wayOf(at, conflict), "its removal had begun");
  return { kind: "record", ...(seen.version === undefined ? {} : { version: seen.version }) };
};

const nothingThere: Check = ({ seen, recorded }) => {
  if (seen.kind === "absent")
    return { kind: "put", cas: 0, because: isOurs(recorded) ? "its path was removed in Vault" : "it is new" };
  if (seen.kind !== "deleted") return undefined;
  return { kind: "put", cas: seen.version, because: isOurs(recorded) ? "it was deleted in Vault" : "it is new" };
};

/** Someone else's data, at first sight. */
const foreign: Check = ({ seen, recorded, at, isClaimed }, { conflict, subject }) => {
  if (seen.kind !== "data" || isOurs(recorded) || isSame(recorded.writing, seen.digest)) return undefined;
  if (conflict === "adopt") return replaced(seen, "put", "its path is adopted");
  if (conflict === "merge" && at.engine === "kv-v2") return replaced(seen, "patch", "its keys are merged");
  // What another row pushed there is no conflict: this one waits for the path.
  if (!isClaimed) return { kind: "claim" };
  const remedy =
    conflict === "merge"
      ? "push.conflict: merge needs a mount of kv-v2"
      : "remove it there, name another path, or set push.conflict of fleet.yaml to adopt or merge";
  const message = `${pathText(at)} holds data that ${subject} did not push, and it stays: ${remedy}`;
  throw new SyncError("PUSH_CONFLICT", message);
};

/** What we wrote before, and someone may have edited. */
const ours: Check = ({ seen, recorded, at }, { conflict }) => {
  if (seen.kind !== "data") return undefined;
  const isEdited = recorded.version !== seen.version || !isSame(recorded.digest, seen.digest);
  return replaced(seen, wayOf(at, conflict), isEdited ? "it was changed in Vault" : "a Secret changed");
};

/** When is a path written? */
const CHECKS: readonly Check[] = [
  inStep,
  unasked,
  sourceChanged,
  unread,
  mayNotRead,
  unchanged,
  refusedBody,
  alreadyThere,
  nothingThere,
  foreign,
  ours,
];

/** The fields are as they should be. */
function onlyListed(work: ObjectWork): ObjectDecision | "nothing" {
  return isListed(work) ? "nothing" : { kind: "list" };
}

/** Whether a path holds what is wanted: all of it, or our fields when others may stay. */
function isThere(seen: SeenData, digest: Digest, conflict: PushRules["conflict"]): boolean {
  if (conflict !== "merge") return isSame(seen.digest, digest);
  return isSame(seen.ownDigest, digest) && seen.stale.length === 0;
}

/** A patch leaves the fields of others alone. */
function wayOf({ engine }: ObjectWork["at"], conflict: PushRules["conflict"]): "put" | "patch" {
  return conflict === "merge" && engine === "kv-v2" ? "patch" : "put";
}

function replaced({ version }: SeenData, kind: "put" | "patch", because: string): ObjectDecision {
  return { kind, cas: version ?? 0, because };
}

function versionOf(seen: SeenObject): number | undefined {
  if (seen.kind === "absent") return 0;
  return seen.kind === "data" || seen.kind === "deleted" ? seen.version : undefined;
}

function isSame(one: string | undefined, other: string): boolean {
  return one !== undefined && sameDigest(one, other);
}
