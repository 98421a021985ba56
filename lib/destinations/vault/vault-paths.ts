import { maxRequestMsOf } from "../../declarations/lent-identity.ts";
import { PUSH_PRESERVE } from "../../declarations/push/annotations.ts";
import { pushIdentity } from "../../declarations/push/identity.ts";
import {
  settingsToClear as chosenToClear,
  isPreserved as isPreservedBySpec,
} from "../../declarations/push/push-secret-declaration.ts";
import { vaultName } from "../../declarations/source.ts";
import { type Digest, digestOf, isOfKey } from "../../digest.ts";
import { partsOf } from "../../keys.ts";
import { tellLeft } from "../../origins/pushed-left.ts";
import type { Claim } from "../../ports/claim.ts";
import type { ClusterSettings } from "../../ports/fleet.ts";
import type { PushSettings } from "../../ports/fleet-push.ts";
import { isApplied, isToVerify, type Pushed, type Row } from "../../ports/rows.ts";
import type { VaultIdentity } from "../../ports/vault.ts";
import { allowsPath } from "../../push-paths.ts";
import { annotatedKind, VAULT_PUSH_SECRET } from "../../resource-kinds.ts";
import type { SecretData } from "../../secret-value.ts";
import type { JsonObject } from "../../util/json.ts";
import type { Destination, DestinationApis, DestinationFactory, Effect, ToWrite } from "../destination.ts";
import { type Acting, act, isSamePath, withoutPath } from "./act.ts";
import { contentOf, splitBodies, storedFields } from "./bodies.ts";
import { decide } from "./decide.ts";
import { isAwaiting } from "./late-writes.ts";
import { type Removing, removePushed } from "./remove.ts";
import { isOurs, type ObjectDecision, type ObjectWork, type PushRules, pathText, type WantsPaths } from "./state.ts";

/** All paths of one declaration during a run. */
interface Work {
  readonly objects: readonly ObjectWork[];
  /** Paths that the row pushed to, and does not any more. */
  readonly former: readonly Pushed[];
  readonly wrote?: string | undefined;
}

type Decision =
  | { readonly kind: "objects"; readonly steps: ReadonlyMap<ObjectWork, ObjectDecision> }
  | { readonly kind: "remove"; readonly former: readonly Pushed[] };

/** Paths in kv mounts of a Vault. */
export const vaultPaths: DestinationFactory<WantsPaths> = {
  ownedWith: (_resolved, owned) => owned,

  toWrite(apis, about): Destination<Work, Decision> {
    const { row, resolved } = about;
    const rules = rulesOf(apis, about);
    return {
      start: workOf(apis, about),
      name: `what ${rules.subject} pushes to Vault`,
      decide: (work) => decideAll(work, { ...rules, now: apis.pushes.clock() }),
      async act(decision, work, claim, signal) {
        const { identity, place } = resolved.asks;
        const acting = await actingFor(apis, identity, claim, signal);
        if (decision.kind === "objects") return actAll(acting, work, decision.steps);
        const removing = { ...acting, ...removalBy(about, resolved.push, identity, place.vault) };
        await removeAll(apis, removing, decision.former, resolved.declaration.preserve);
        return { ...work, former: [] };
      },
      learned: ({ wrote, objects }) => ({
        owned: row.state.owned,
        ...(wrote === undefined ? {} : { wrote }),
        ...(hasStatus(row) ? { status: { lastPushed: lastPushed(objects) } } : {}),
      }),
      describe: (decision) => effectOf(decision, movedBy(resolved.push, row)),
    };
  },

  holding: () => ({
    admit: async () => undefined,
    holds: async () => undefined,
    holdsElsewhere: async () => false,
    left: async () => undefined,
  }),

  toClear(apis, { row, settings }): Destination<readonly Pushed[], readonly Pushed[]> {
    return {
      start: row.state.pushed ?? [],
      name: `what ${subjectOf(row)} pushed to Vault`,
      decide: (left) => (left.length === 0 ? undefined : left),
      async act(paths, _before, claim, signal) {
        const push = settingsToClear(row, settings);
        if (push === undefined) return leaveAll(apis, settings, paths, claim, signal);
        const { namespace } = partsOf(row.key);
        const identity = pushIdentity(settings, push, namespace);
        const vault = vaultName(settings.vaults, identity.target.address);
        const acting = await actingFor(apis, identity, claim, signal);
        const removing = { ...acting, ...removalBy({ row, settings }, push, identity, vault) };
        await removeAll(apis, removing, paths, await isPreserved(apis, row, signal));
        return [];
      },
      learned: () => ({ owned: row.state.owned }),
      describe: () => undefined,
    };
  },
};

function subjectOf({ key }: Row): string {
  const { kind, namespace, name } = partsOf(key);
  return `${kind} ${namespace}/${name}`;
}

function rulesOf({ digestKey }: DestinationApis, { row, resolved }: ToWrite<WantsPaths>): Omit<PushRules, "now"> {
  const { push, declaration } = resolved;
  const isNew = !isApplied(row);
  const look = isToVerify(row) || declaration.reconcileMs !== undefined || isNew;
  const isOfThisKey = (digest: Digest): boolean => isOfKey(digestKey, digest);
  return { look, isNew, conflict: push.conflict, isOfThisKey, subject: subjectOf(row), declaration: row.declared.hash };
}

function workOf({ digestKey: key, pushes }: DestinationApis, { row, resolved, data }: ToWrite<WantsPaths>): Work {
  const { located = [] } = resolved;
  const bodies = splitBodies(data);
  const known = row.state.pushed ?? [];
  const objects = located.flatMap(({ name, at, pushed }): readonly ObjectWork[] => {
    const body: SecretData | undefined = bodies.get(name);
    // Its Secret is optional, and missing.
    if (body === undefined) return [];
    const recorded = ruledBy(resolved.push.conflict, recordedAs(pushed, known));
    const content = contentOf(body, pathText(at), recorded);
    const digest = digestOf(key, storedFields(content.fields));
    return [{ name, at, body, ...content, digest, recorded, seen: { kind: "unread" }, isDone: false }];
  });
  const former = known.filter((path) => !objects.some(({ recorded }) => isSamePath(recorded, path)));
  // The path of a missing Secret stays claimed.
  const isWaiting = (path: Pushed) => !isOurs(path) && located.some(({ pushed }) => isSamePath(pushed, path));
  const now = pushes.clock();
  const isToRemove = (path: Pushed) => !isAwaiting(path, now) && (!isWaiting(path) || path.writing !== undefined);
  return { objects, former: former.filter(isToRemove) };
}

/** With the rule that its next write follows. */
function ruledBy(conflict: WantsPaths["push"]["conflict"], recorded: Pushed): Pushed {
  if (conflict === "fail" || recorded.engine === "kv-v1") return recorded;
  const { merged: _before, ...rest } = recorded;
  return conflict === "merge" ? { ...rest, merged: true } : rest;
}

/** What the row has of a path. Of another version of kv, a number says nothing, and no list is left. */
function recordedAs(pushed: Pushed, known: readonly Pushed[]): Pushed {
  const found = withoutEmptied(known.find((path) => isSamePath(path, pushed)) ?? pushed);
  if (found.engine === pushed.engine) return found;
  const { version: _version, list: _list, listing: _listing, ...rest } = found;
  return { ...rest, engine: pushed.engine };
}

/** A path that is wanted again after it was emptied: what stands there has to be read. */
function withoutEmptied(pushed: Pushed): Pushed {
  if (pushed.landsBy === undefined) return pushed;
  const { landsBy: _landsBy, digest: _digest, version: _version, ...rest } = pushed;
  return rest;
}

/** First everything that is wanted, then what is not any more. */
function decideAll({ objects, former }: Work, rules: PushRules): Decision | undefined {
  const steps = new Map<ObjectWork, ObjectDecision>();
  for (const object of objects) {
    const decision = decide(object, rules);
    if (decision !== undefined) steps.set(object, decision);
  }
  if (steps.size > 0) return { kind: "objects", steps };
  return former.length > 0 ? { kind: "remove", former } : undefined;
}

/** One path after the other: what was written is recorded even if the next one fails. */
async function actAll(acting: Acting, work: Work, steps: ReadonlyMap<ObjectWork, ObjectDecision>): Promise<Work> {
  const objects: ObjectWork[] = [];
  let { wrote } = work;
  for (const object of work.objects) {
    const decision = steps.get(object);
    const next = decision === undefined ? object : await act(acting, object, decision);
    objects.push(next);
    if (next.isDone && !object.isDone && decision !== undefined && "because" in decision) wrote = decision.because;
  }
  return { ...work, objects, wrote };
}

/** For a plan: the steps, and the paths that the cluster's prefix moves, seen from where the annotation names them. */
function effectOf(decision: Decision, moved: (work: ObjectWork) => string | undefined): Effect | undefined {
  if (decision.kind === "remove")
    return { action: "update", because: "paths that it does not push to any more are emptied" };
  const steps = [...decision.steps];
  const write = steps.find(([, step]) => "because" in step)?.[1];
  if (write === undefined || !("because" in write)) return undefined;
  const moves = steps.flatMap(([work, step]) => ("because" in step ? (moved(work) ?? []) : []));
  const because = [write.because, ...(moves.length === 0 ? [] : [`push.prefix moves ${moves.join(", ")}`])].join("; ");
  return { action: "update", because };
}

/** A path that this row has not written to, and that `push.prefix: cluster` puts elsewhere. */
function movedBy({ prefix }: WantsPaths["push"], { key }: Row): (work: ObjectWork) => string | undefined {
  const inserted = `clusters/${partsOf(key).cluster}/`;
  return ({ at, recorded }) => {
    if (prefix !== "cluster" || isOurs(recorded) || !at.path.startsWith(inserted)) return undefined;
    return `${at.mount}/${at.path.slice(inserted.length)} to ${pathText(at)}`;
  };
}

async function actingFor(
  { pushes, digestKey }: DestinationApis,
  identity: VaultIdentity,
  claim: Claim,
  signal: AbortSignal,
): Promise<Acting> {
  const who = { identity: await pushes.reached(identity), by: claim.row.key };
  return { writes: pushes.writes, clock: pushes.clock, who, key: digestKey, claim, signal };
}

/** Whether a resource of our own declares it. */
function hasStatus({ key }: Row): boolean {
  return partsOf(key).kind === VAULT_PUSH_SECRET.kind;
}

/** For the status: a VaultPushSecret has one path. Null: its Secrets are optional, and missing. */
function lastPushed([object]: readonly ObjectWork[]): JsonObject | null {
  if (object === undefined) return null;
  const { version } = object.recorded;
  return { path: pathText(object.at), ...(version === undefined ? {} : { version }) };
}

/** Undefined: fleet.yaml has no push any more, or not the login that was chosen. */
function settingsToClear({ key, declared }: Row, { push }: ClusterSettings): PushSettings | undefined {
  return push && partsOf(key).kind === VAULT_PUSH_SECRET.kind ? chosenToClear(declared, push) : push;
}

/** fleet.yaml allows no push any more, or not with that login: what was pushed stays, and is told and forgotten. */
async function leaveAll(
  apis: DestinationApis,
  { push }: ClusterSettings,
  paths: readonly Pushed[],
  claim: Claim,
  signal: AbortSignal,
): Promise<readonly Pushed[]> {
  await claim.takeToWrite();
  const lacks = push === undefined ? "push" : "login of that name in push.choices.identities";
  const because = `cluster ${partsOf(claim.row.key).cluster} has no ${lacks} in fleet.yaml any more`;
  for (const path of paths) {
    claim.note({ pushed: withoutPath(claim.row.state.pushed, path) });
    const mayStand = path.digest !== undefined || path.writing !== undefined;
    if (mayStand) await tellLeft(apis, claim.row.key, { path: `${path.mount}/${path.path}`, because }, signal);
  }
  return [];
}

/** As it was last seen, or as the object itself says: the edit that removed its path made it no other declaration. */
async function isPreserved(
  { resources }: Pick<DestinationApis, "resources">,
  { key, declared }: Row,
  signal: AbortSignal,
): Promise<boolean> {
  const { cluster, kind: kindName, namespace, name } = partsOf(key);
  const kind = annotatedKind(kindName);
  if (kind === undefined) return isPreservedBySpec(declared);
  if (declared.annotations[PUSH_PRESERVE] === "true") return true;
  const found = await resources.get({ cluster, namespace, name, kind }, signal);
  return found?.uid === declared.uid && found.annotations[PUSH_PRESERVE] === "true";
}

/** What fleet.yaml says about removals now. */
function removalBy(
  { row, settings }: Pick<ToWrite<WantsPaths>, "row" | "settings">,
  { deletion, conflict, paths }: WantsPaths["push"],
  identity: VaultIdentity,
  vault: string,
) {
  const values = partsOf(row.key);
  return {
    ...{ identity, vault, deletion, isMerged: conflict === "merge" },
    requestMs: identity.target.timeoutMs + maxRequestMsOf(settings, identity.target.address),
    isAllowed: (path: string) => paths.some((pattern) => allowsPath(pattern, values, path)),
  };
}

/** Each path by itself; what stays is told. */
async function removeAll(
  apis: DestinationApis,
  removing: Removing,
  paths: readonly Pushed[],
  preserve: boolean,
): Promise<void> {
  const { claim, signal } = removing;
  for (const path of paths) {
    if (preserve) {
      claim.note({ pushed: withoutPath(claim.row.state.pushed, path) });
      continue;
    }
    const left = await removePushed(removing, path);
    if (left !== undefined) await tellLeft(apis, claim.row.key, left, signal);
  }
}
