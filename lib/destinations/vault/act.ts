import type { Clock } from "../../clock.ts";
import { type DigestKey, digestOf } from "../../digest.ts";
import { type ErrorCode, SyncError } from "../../errors.ts";
import type { Claim } from "../../ports/claim.ts";
import type { Pushed } from "../../ports/rows.ts";
import {
  BASE64_LIST,
  type KvField,
  type KvFields,
  type Pusher,
  type SeenPath,
  type VaultWrites,
  type WriteResult,
} from "../../ports/vault-writes.ts";
import { sameJson } from "../../util/canonical.ts";
import { contentOf, storedFields } from "./bodies.ts";
import { countedWrite, notConverging, parkedPath } from "./frequency.ts";
import { ownKeys, some } from "./ours.ts";
import { isListed, listOfOthers, type ObjectDecision, type ObjectWork, pathText, type SeenObject } from "./state.ts";

/** What acting on a path needs. */
export interface Acting {
  readonly writes: VaultWrites;
  readonly who: Pusher;
  readonly key: DigestKey;
  readonly clock: Clock;
  readonly claim: Claim;
  readonly signal: AbortSignal;
}

/** Makes one decision true; returns what is known of the path then. */
export async function act(acting: Acting, work: ObjectWork, decision: ObjectDecision): Promise<ObjectWork> {
  switch (decision.kind) {
    case "read":
      return { ...work, seen: await readObject(acting, work) };
    case "claim":
      await acting.claim.takeToWrite();
      return { ...work, isClaimed: true };
    case "park":
      return park(acting, work);
    case "record":
      await acting.claim.takeToWrite();
      return listed(acting, recorded(acting, work, decision.version));
    case "ask":
      return asked(acting, work);
    case "list":
      return listed(acting, work);
    case "put":
    case "patch":
      return write(acting, work, decision);
    default:
      return decision satisfies never;
  }
}

/** Settle stores what is noted together with the failure. */
async function park({ claim }: Acting, { at, recorded }: ObjectWork): Promise<never> {
  await claim.takeToWrite();
  claim.note({ pushed: withPath(claim.row.state.pushed, parkedPath(recorded, claim.row.declared.hash)) });
  throw notConverging(pathText(at));
}

/** What stands at a path now. Fields that only others write stay out of the own digest. */
async function readObject(
  { writes, who, key, signal }: Acting,
  { at, fields, recorded }: ObjectWork,
): Promise<SeenObject> {
  const found = await readOrDenied(writes, who, at, signal);
  if (found.kind !== "data") return found;
  const { fields: all, version, list } = found;
  return {
    kind: "data",
    ...(list === undefined ? {} : { list }),
    ...(version === undefined ? {} : { version }),
    digest: digestOf(key, all),
    ownDigest: digestOf(key, some(all, [...fields.keys()])),
    stale: ownKeys(key, recorded, all).filter((name) => !fields.has(name) && all.has(name)),
  };
}

export async function readOrDenied(
  writes: VaultWrites,
  who: Pusher,
  at: ObjectWork["at"],
  signal: AbortSignal,
): Promise<SeenPath | { readonly kind: "denied" }> {
  try {
    return await writes.read(who, at, signal);
  } catch (error) {
    if (error instanceof SyncError && error.code === "VAULT_DENIED") return { kind: "denied" };
    throw error;
  }
}

/**
 * Records what is about to be written, and writes it at the version that was decided on. After a crash in between the
 * digest tells whether the write was carried out.
 */
async function write(
  acting: Acting,
  work: ObjectWork,
  { kind, cas }: Extract<ObjectDecision, { readonly cas: number }>,
): Promise<ObjectWork> {
  const { claim, clock } = acting;
  await claim.takeToWrite();
  mustBeClaimed(claim, work);
  if (kind === "put") await mustBeMounted(acting, work);
  const unlisted = isListed(work) ? {} : { listing: true as const };
  const counted = { ...countedWrite(work.recorded, clock()), ...unlisted };
  const next = { ...writingOf(work, cas), ...counted };
  await claim.record({ pushed: withPath(claim.row.state.pushed, next) });
  const written = { ...work, recorded: next };
  const result = await send(acting, work, kind, cas);
  if (result.kind === "moved") {
    // What may stand there is the write of before, whose answer never came.
    const recorded = { ...work.recorded, ...counted };
    return noted(acting, { ...work, recorded, seen: { kind: "unread" }, refusedAt: cas });
  }
  return listed(acting, recorded(acting, written, result.version));
}

/**
 * A mount of version 1 would take the request of version 2, and store it below `data/`. What was read in this run shows
 * the version.
 */
async function mustBeMounted({ writes, who, signal }: Acting, { at, seen }: ObjectWork): Promise<void> {
  if (at.engine === "kv-v1" || seen.kind === "data" || seen.kind === "deleted") return;
  if (await writes.isStill(who, at, signal)) return;
  const message = `${at.mount} is no mount of version 2 of kv any more: keyferry asks for its version before it tries again`;
  throw new SyncError("VAULT_ANSWER_INVALID", message);
}

/** Asks whether binary fields may be listed, and chooses the fields by the answer. */
async function asked({ writes, who, key, signal }: Acting, work: ObjectWork): Promise<ObjectWork> {
  const binary = (await writes.mayDescribe(who, work.at, signal)) ? "listed" : "suffixed";
  return { ...inForm(key, work, binary), isAsked: true };
}

function inForm(key: DigestKey, work: ObjectWork, binary: Pushed["binary"] & string): ObjectWork {
  const recorded = { ...work.recorded, binary };
  const content = contentOf(work.body, pathText(work.at), recorded);
  return { ...work, ...content, recorded, digest: digestOf(key, storedFields(content.fields)) };
}

/** Corrects the list of binary fields after the fields themselves. Where Vault refuses it, they get a suffix instead. */
async function listed(acting: Acting, work: ObjectWork): Promise<ObjectWork> {
  if (isListed(work)) return work;
  const { claim, key, writes, who, signal } = acting;
  await claim.takeToWrite();
  const list = work.list === "" && work.recorded.list === undefined ? listOfOthers(work) : work.list;
  try {
    await writes.describe(who, work.at, { [BASE64_LIST]: list === "" ? null : list }, signal);
  } catch (error) {
    if (!(error instanceof SyncError) || !REFUSALS.has(error.code) || work.list === "") throw error;
    const { isDone: _done, seen: _seen, ...rest } = work;
    return noted(acting, inForm(key, { ...rest, isDone: false, seen: { kind: "unread" } }, "suffixed"));
  }
  const { list: _before, listing: _listing, ...rest } = work.recorded;
  const recorded = { ...rest, ...(work.list === "" ? {} : { list: work.list }) };
  return noted(acting, { ...work, recorded, isDone: true });
}

/** Not allowed (any more), or too many entries of others. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["VAULT_DENIED", "VAULT_ANSWER_INVALID"]);

function noted({ claim }: Acting, work: ObjectWork): ObjectWork {
  claim.note({ pushed: withPath(claim.row.state.pushed, work.recorded) });
  return work;
}

/** What a write makes, for a removal after a crash that followed it. */
function writingOf({ at, digest, fields, recorded }: ObjectWork, cas: number): Pushed {
  const { writingKeys: _keys, writingVersion: _made, ...rest } = recorded;
  const keys = namesOf(fields);
  return {
    ...rest,
    writing: digest,
    ...(sameJson(keys, recorded.keys) ? {} : { writingKeys: keys }),
    ...(at.engine === "kv-v2" ? { writingVersion: cas + 1 } : {}),
  };
}

function send(
  { writes, who, signal }: Acting,
  work: ObjectWork,
  kind: "put" | "patch",
  cas: number,
): Promise<WriteResult> {
  const { at, fields, seen } = work;
  if (kind === "put") return writes.put(who, at, fields, cas, signal);
  const stale = seen.kind === "data" ? seen.stale : [];
  const patch = new Map<string, KvField | null>([...fields, ...stale.map((name) => [name, null] as const)]);
  return writes.patch(who, at, patch, cas, signal);
}

/** The claim took every path of the declaration: a missing one is a bug. */
function mustBeClaimed({ row }: Claim, { recorded }: ObjectWork): void {
  if ((row.state.pushed ?? []).some((path) => isSamePath(path, recorded))) return;
  throw new Error(`${row.key} writes to a path that it has not claimed`);
}

/** The path holds what is wanted: the row has its version. */
function recorded(acting: Acting, work: ObjectWork, version: number | undefined): ObjectWork {
  const rest = settled(work.recorded);
  const now: Pushed = {
    ...rest,
    digest: work.digest,
    keys: namesOf(work.fields),
    ...(version === undefined ? {} : { version }),
  };
  return noted(acting, { ...work, recorded: now, isDone: true });
}

/** Without its version, without the write that may have been carried out, and without a removal that had begun. */
export function settled(pushed: Pushed): Omit<Pushed, "version"> {
  const { writing: _writing, writingVersion: _made, writingKeys: _keys, version: _version, ...rest } = pushed;
  const { removing: _removing, ...stays } = rest;
  return stays;
}

function namesOf(fields: KvFields): readonly string[] {
  return [...fields.keys()].sort();
}

export function isSamePath(one: Pushed, other: Pushed): boolean {
  return one.vault === other.vault && one.mount === other.mount && one.path === other.path;
}

/** The list with this path in place of what it had of it. */
export function withPath(paths: readonly Pushed[] = [], path: Pushed): readonly Pushed[] {
  return [...paths.filter((one) => !isSamePath(one, path)), path];
}

export function withoutPath(paths: readonly Pushed[] = [], path: Pushed): readonly Pushed[] {
  return paths.filter((one) => !isSamePath(one, path));
}
