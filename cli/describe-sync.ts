import type { EpochMs } from "../lib/clock.ts";
import { shortDigest } from "../lib/digest.ts";
import type { Disposition, ErrorCode } from "../lib/errors.ts";
import { nextEnd } from "../lib/issues/issue-times.ts";
import { parseKey, partsOf, type ReferenceKey } from "../lib/keys.ts";
import { staticState } from "../lib/kinds/static/static-state.ts";
import { REFRESH_ANNOTATION } from "../lib/origins/refresh-annotation.ts";
import type { Reference, Row } from "../lib/ports/rows.ts";
import type { Circuit, ClusterRow } from "../lib/ports/store.ts";
import { SECRET } from "../lib/resource-kinds.ts";
import { owedRestarts } from "../lib/rollout/owed.ts";
import { asObject } from "../lib/util/canonical.ts";
import type { Json, JsonObject } from "../lib/util/json.ts";
import { type IssueView, issueViews } from "./issue-view.ts";
import { type PushView, pushView } from "./push-view.ts";
import { remedyOf } from "./remedies.ts";
import {
  type ClusterView,
  clusterView,
  type RolloutView,
  retainedView,
  type Surroundings,
  type SyncView,
  summaryOf,
  syncView,
  waitsFor,
} from "./status-view.ts";

/** The input of a description: a row and what else the lease table knows about it. */
export interface DescribeInput {
  readonly row: Row;
  readonly references: ReadonlyMap<ReferenceKey, Reference>;
  readonly circuits: readonly Circuit[];
  readonly cluster: ClusterRow | undefined;
  readonly now: EpochMs;
}

/** Everything known about one sync, for people and scripts. Names, versions and digests, never values. */
export interface SyncDescription {
  readonly key: string;
  readonly state: SyncView["state"];
  readonly declared: {
    readonly generation: number;
    readonly uid: string;
    /** Whether this version was applied. */
    readonly applied: boolean;
    readonly deleting: boolean;
    /** The last refresh requested by annotation. */
    readonly refresh?: string;
    readonly spec: JsonObject;
  };
  /** Only for annotated objects. */
  readonly push?: PushView;
  readonly references: readonly ReferenceView[];
  readonly seen: {
    readonly vault?: string;
    readonly version?: { readonly number: number; readonly createdTime: string };
    readonly digest?: string;
    readonly secrets: readonly { readonly name: string; readonly uid?: string; readonly resourceVersion?: string }[];
  };
  /** What it has in Vault. Missing: nothing. */
  readonly issues?: readonly IssueView[];
  readonly syncedAt?: string;
  /** When the last run ended. */
  readonly settledAt?: string;
  readonly attempts: number;
  /** Owed restarts of workloads. */
  readonly rollout?: RolloutView;
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly since: string;
    readonly next: Disposition;
    readonly remedy?: string;
  };
  readonly next: { readonly at?: string; readonly because: string };
  /** Only when the cluster has a problem. */
  readonly cluster?: ClusterView;
}

export interface ReferenceView {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** `not followed`: a Secret with credentials, which is read when needed. */
  readonly state: "found" | "missing" | "not followed";
  readonly generation?: number;
}

/** The fields of a declaration to show; never templates or headers. */
const TOLD = [
  "vaultAuthRef",
  "namespace",
  "type",
  "mount",
  "path",
  "version",
  "role",
  "refreshAfter",
  "hmacSecretData",
];
const TOLD_OF_DESTINATION = ["name", "create", "overwrite", "type"];

function told(spec: JsonObject | undefined, names: readonly string[]): JsonObject {
  const fields = Object.entries(spec ?? {}).filter(
    ([name, value]) => names.includes(name) && typeof value !== "object",
  );
  return Object.fromEntries(fields);
}

function specOf(spec: JsonObject): JsonObject {
  const destination = asObject(spec.destination);
  const targets = restarts(spec);
  return {
    ...told(spec, TOLD),
    destination: {
      ...told(destination, TOLD_OF_DESTINATION),
      ...(destination?.transformation === undefined ? {} : { transformation: true }),
    },
    ...(targets.length > 0 ? { restarts: targets } : {}),
  };
}

function restarts({ rolloutRestartTargets: targets }: JsonObject): readonly string[] {
  if (!Array.isArray(targets)) return [];
  return targets.map((target: Json) => `${asObject(target)?.kind ?? "?"}/${asObject(target)?.name ?? "?"}`);
}

export function describeSync({ row, references, circuits, cluster, now }: DescribeInput): SyncDescription {
  const { key, declared, state } = row;
  const parts = partsOf(key);
  const isRetained = state.retainUntil !== undefined;
  const view = isRetained
    ? retainedView(row, now)
    : syncView(summaryOf(row), { cluster, circuits }, now, owedRestarts(row));
  const ofCluster = clusterView(parts.cluster, cluster, circuits);
  const refresh = declared.annotations[REFRESH_ANNOTATION];
  const issues = issueViews(row);
  const push = pushView(row);
  return {
    key,
    state: view.state,
    declared: {
      generation: declared.generation,
      uid: declared.uid,
      applied: state.appliedHash === declared.hash,
      deleting: declared.deleting,
      ...(refresh === undefined ? {} : { refresh }),
      spec: specOf(declared.spec),
    },
    ...(push === undefined ? {} : { push }),
    references: state.refs.map((ref) => referenceView(ref, references)),
    seen: seenOf(row),
    ...(issues.length === 0 ? {} : { issues }),
    ...(view.syncedAt === undefined ? {} : { syncedAt: view.syncedAt }),
    ...(state.settledAt === undefined ? {} : { settledAt: new Date(state.settledAt).toISOString() }),
    attempts: view.attempts,
    ...(view.rollout === undefined ? {} : { rollout: view.rollout }),
    ...(view.error === undefined ? {} : { error: errorOf(view.error) }),
    next: nextOf(row, view, { cluster, circuits }),
    ...(ofCluster.state === "ok" || isRetained ? {} : { cluster: ofCluster }),
  };
}

function referenceView(ref: ReferenceKey, found: ReadonlyMap<ReferenceKey, Reference>): ReferenceView {
  const { kind = "", namespace = "", name = "" } = parseKey(ref) ?? {};
  const reference = found.get(ref);
  const missing = kind === SECRET.kind ? "not followed" : "missing";
  if (!reference) return { kind, namespace, name, state: missing };
  // A Secret's metadata has no generation.
  const { generation } = reference;
  return { kind, namespace, name, state: "found", ...(generation > 0 ? { generation } : {}) };
}

function seenOf({ state }: Row): SyncDescription["seen"] {
  const { waitsFor: vault, digest, owned } = state;
  const { version } = staticState(state);
  return {
    ...(vault === undefined ? {} : { vault: vault.replace(/^vault:/, "") }),
    ...(version === undefined ? {} : { version }),
    ...(digest === undefined ? {} : { digest: shortDigest(digest) }),
    secrets: owned.map(({ name, uid, resourceVersion }) => ({
      name,
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    })),
  };
}

function errorOf({ code, message, since }: NonNullable<SyncView["error"]>): NonNullable<SyncDescription["error"]> {
  const { next, meaning } = remedyOf(code as ErrorCode);
  return { code, message, since, next, ...(meaning === undefined ? {} : { remedy: meaning }) };
}

function nextOf(row: Row, view: SyncView, around: Surroundings): SyncDescription["next"] {
  const at = view.nextAt === undefined ? {} : { at: view.nextAt };
  const open = view.state === "waiting" ? waitsFor(summaryOf(row), around) : undefined;
  if (!open) return { ...at, because: why(row, view) };
  return { ...at, because: `the next probe of ${open.id}; all waiting syncs resume once it answers` };
}

function why({ state, wheel, renew, verify, dueAt }: Row, view: SyncView): string {
  if (view.state === "working") return "a worker has it now; from this time another one may take it";
  if (view.state === "retained") return "it left the fleet; what it has in Vault is renewed until then, and ended";
  if (view.state === "cleaning-up")
    return "its declaration is gone; keyferry removes its Secrets, and ends what Vault issued";
  if (view.nextAt === undefined) {
    return state.error
      ? "only after a changed declaration, a changed reference or `keyferry sync`"
      : `nothing ${renew ? `but renewals, every ${renew.period}s, ` : ""}is planned until a changed declaration, a changed reference or \`keyferry sync\``;
  }
  if (dueAt !== undefined && dueAt === nextEnd(state)) return "a former credential is ended, or looked at again";
  if (verify) return "a request to refresh it, or a change of its Secret by another program";
  if (state.error) return `another try, after ${view.attempts} failed in a row`;
  if (state.rollout) return "owed restarts, or its refresh slot";
  return wheel ? `its refresh slot, every ${wheel.period}s` : "it was declared or requested";
}
