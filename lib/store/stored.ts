import { DISPOSITIONS } from "../errors.ts";
import { parseKey } from "../keys.ts";
import type { Issue } from "../ports/issues.ts";
import {
  type Declared,
  type DomainEvent,
  EMPTY_STATE,
  type Pushed,
  type Reference,
  type RefreshSlot,
  type RowError,
  type RowState,
} from "../ports/rows.ts";
import type { ClusterState, Cursor, HubState } from "../ports/store.ts";

/**
 * Validates values from a table, because a file may be damaged, or an item written by another program. Each reader
 * returns undefined for unusable values, drops optional ones, and keeps unknown members.
 */
type Is = (value: unknown) => boolean;
type Shape = Readonly<Record<string, unknown>>;
interface Form {
  readonly needs: Readonly<Record<string, Is>>;
  readonly may: Readonly<Record<string, Is>>;
}

/** Reads a shape of one form; made once, because each row is read by it several times in a run. */
type Reader = (value: unknown) => Shape | undefined;

/** The last instant of a Date. */
const LAST_MS = 8.64e15;
const RESOURCE_VERSION = /^\d{1,20}$/;

const isText: Is = (value) => typeof value === "string";
const isFlag: Is = (value) => typeof value === "boolean";
export const isShape = (value: unknown): value is Shape =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isVersion: Is = (value) => typeof value === "string" && RESOURCE_VERSION.test(value);
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const isCountIfAny: Is = (value) => value === undefined || isCount(value);
export const isTime = (value: unknown): value is number => isCount(value) && value <= LAST_MS;
const isTimes: Is = (value) => isShape(value) && Object.values(value).every(isTime);
const isTexts: Is = (value) => isShape(value) && Object.values(value).every(isText);
const isKeyText = (value: unknown): boolean => typeof value === "string" && parseKey(value) !== undefined;
const listOf =
  (is: Is): Is =>
  (value) =>
    Array.isArray(value) && value.every(is);
function formed(needs: Form["needs"]): Is {
  const members = Object.entries(needs);
  return (value) => isShape(value) && members.every(([name, is]) => is(value[name]));
}

const isError = (value: unknown): value is RowError =>
  isShape(value) &&
  isText(value.message) &&
  isTime(value.since) &&
  typeof value.code === "string" &&
  value.code in DISPOSITIONS;
const isStatusSeen = { resourceVersion: isVersion, status: isShape };

const isEvent = formed({ id: isText, kind: isText, at: isTime, detail: isShape });

const stateIn = reader({
  needs: { refs: listOf(isKeyText), owned: listOf(formed({ name: isText })), attempts: isCount },
  may: {
    awaits: listOf(isText),
    place: formed({ vault: isText, path: isText, role: (role) => role === "read" || role === "push" }),
    waitsFor: isText,
    digest: isText,
    rolledDigest: isText,
    rollout: formed({ digest: isText, since: isTime, at: isTime, attempts: isCount }),
    appliedHash: isText,
    blanks: isText,
    seen: formed({ ...isStatusSeen, hash: isText }),
    error: isError,
    isUnverified: isFlag,
    repairs: formed({ since: isTime, count: isCount }),
    syncedAt: isTime,
    settledAt: isTime,
    bridgeUntil: isTime,
    busyUntil: isTime,
    busyFence: isCount,
    retainUntil: isTime,
    unsent: listOf(isEvent),
  },
});

/** The members without which an issue can't be ended; the others have safe defaults. */
const isIssue = formed({ serial: isText, sealedToken: isText, target: isText });
const ISSUE_STATES: ReadonlySet<unknown> = new Set<Issue["state"]>(["asking", "got", "live"]);
const isPushed = formed({ vault: isText, mount: isText, path: isText, engine: isText });

/** Drops no issue that can be ended; one that can't is reported, and stays for a person (lease-table 28). */
export function soundIssues(value: unknown, damaged: () => void): readonly Issue[] {
  if (!Array.isArray(value)) {
    damaged();
    return [];
  }
  const good = value.filter(isIssue) as Issue[];
  if (good.length < value.length) damaged();
  return good.map((issue) => ({
    ...issue,
    state: ISSUE_STATES.has(issue.state) ? issue.state : "ending",
    askBefore: isTime(issue.askBefore) ? issue.askBefore : 0,
    tokenSeconds: isCount(issue.tokenSeconds) ? issue.tokenSeconds : 0,
    tokenRenewable: issue.tokenRenewable === true,
  }));
}

/** A path without its version is read before it is written. */
export function soundPushed(value: unknown, damaged: () => void): readonly Pushed[] {
  if (!Array.isArray(value)) {
    damaged();
    return [];
  }
  const good = value.filter(isPushed) as Pushed[];
  if (good.length < value.length) damaged();
  return good;
}

const VERSIONED = {
  uid: isText,
  generation: isCount,
  hash: isText,
  labels: isTexts,
  annotations: isTexts,
  spec: isShape,
};
const declaredIn = reader({
  needs: { ...VERSIONED, group: isText, deleting: isFlag, seen: formed(isStatusSeen) },
  may: { tooLarge: isCount },
});
const referenceIn = reader({ needs: { ...VERSIONED, key: isKeyText }, may: { tooLarge: isCount } });
const clusterIn = reader({
  needs: { cursors: isShape, attempts: isCount },
  may: {
    uid: isText,
    sameAs: isText,
    restores: isCount,
    filter: isText,
    error: isError,
    awaitingApproval: formed({ since: isTime, gone: isCount, of: isCount, removed: isCountIfAny }),
    unread: isTimes,
    besideVso: listOf(isText),
    vsoIn: isShape,
    operator: isShape,
    macKey: isShape,
    told: isCount,
    outOfSight: isTime,
    ranWith: isText,
    formerUntil: isTime,
    kept: formed({ rows: isCount, bytes: isCount }),
  },
});
const isCursor = formed({ resourceVersion: isVersion, movedAt: isTime });

const isMember = (value: unknown): boolean =>
  formed({
    object: isText,
    resourceVersion: isText,
    name: isText,
    labels: isTexts,
    settings: isShape,
    server: isText,
    leadsTo: isText,
    since: isTime,
  })(value) &&
  isShape(value) &&
  [value.uid, value.checked, value.double].every((text) => text === undefined || isText(text));
const hubIn = reader({
  needs: { members: listOf(isMember), readAs: isText },
  may: {
    isUnread: isFlag,
    error: isError,
    awaitingApproval: formed({ since: isTime, gone: isCount, of: isCount }),
  },
});

/** JSON, or undefined. */
export function parsed(text: unknown): unknown {
  if (typeof text !== "string") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function reader({ needs, may }: Form): Reader {
  const isFormed = formed(needs);
  const optional = Object.entries(may);
  return (value) => {
    if (!isFormed(value)) return undefined;
    const shape = value as Shape;
    const isBad = ([name, is]: readonly [string, Is]): boolean => shape[name] !== undefined && !is(shape[name]);
    if (!optional.some(isBad)) return shape;
    const bad = new Set(optional.filter(isBad).map(([name]) => name));
    return Object.fromEntries(Object.entries(shape).filter(([name]) => !bad.has(name)));
  };
}

/**
 * A row's state. An unreadable one starts empty, as after the loss of the table: the Secret is read before any write.
 */
export function soundState(value: unknown, damaged: () => void): RowState {
  const state = stateIn(value) as RowState | undefined;
  if (state === undefined) {
    damaged();
    return EMPTY_STATE;
  }
  const isWhole = state.owned.every(
    ({ resourceVersion }) => resourceVersion === undefined || isVersion(resourceVersion),
  );
  if (isWhole) return state;
  damaged();
  // Without its version, a Secret is read before it is written.
  const owned = state.owned.map(({ resourceVersion: _unreadable, ...secret }) => secret);
  return { ...state, owned };
}

export function soundDeclared(value: unknown): Declared | undefined {
  return declaredIn(value) as Declared | undefined;
}

export function soundReference(value: unknown): Reference | undefined {
  return referenceIn(value) as Reference | undefined;
}

/** The state of discovery; unreadable parts are listed again. */
export function soundClusterState(value: unknown, damaged: () => void): ClusterState {
  const state = clusterIn(value) as ClusterState | undefined;
  if (state === undefined) {
    damaged();
    return { cursors: {}, attempts: 0 };
  }
  const all = Object.entries(state.cursors);
  const good = all.filter((entry): entry is [string, Cursor] => isCursor(entry[1]));
  if (good.length === all.length) return state;
  damaged();
  return { ...state, cursors: Object.fromEntries(good) };
}

/** A hub's state as a whole: a list without some of its clusters would look as if these had left. */
export function soundHubState(value: unknown): HubState | undefined {
  return hubIn(value) as HubState | undefined;
}

/** A domain event of a circuit; undefined if it can't be used. */
export function soundEvent(value: unknown): DomainEvent | undefined {
  return isEvent(value) ? (value as DomainEvent) : undefined;
}

/** A valid refresh slot, which recurs but not permanently. */
export function soundSlot(period: unknown, phase: unknown): RefreshSlot | undefined {
  return isCount(period) && isCount(phase) && phase < period ? { period, phase } : undefined;
}
