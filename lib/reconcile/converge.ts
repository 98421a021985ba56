import { SECOND_MS } from "../clock.ts";
import type { ResolvedStaticSecret } from "../declarations/resolve.ts";
import { act, observe, type Work } from "../destinations/kubernetes-secret/act.ts";
import { type Decision, decide, isCarriedOut } from "../destinations/kubernetes-secret/decide.ts";
import { digestOf } from "../digest.ts";
import { SyncError } from "../errors.ts";
import { partsOf } from "../keys.ts";
import { staticState } from "../kinds/static/static-state.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Row } from "../ports/rows.ts";
import type { Lease } from "../ports/store.ts";
import type { SourceData } from "../ports/vault.ts";
import { RecordFirst, unrecordedRollout } from "../rollout/rollout.ts";
import type { SecretData } from "../secret-value.ts";
import { secretData, templateInput } from "../transform/secret-data.ts";
import { isPlain } from "../transform/transformation.ts";
import type { SourceReader } from "./source.ts";

/** Looks at the destination before we say that someone else keeps changing it. */
const MAX_STEPS = 8;

/** An older kv-v2 answer is read again after 5 s, and believed 30 s later (lease-table 9). */
export const OLDER_AGAIN_MS = 5 * SECOND_MS;
const OLDER_BELIEVED_MS = 30 * SECOND_MS;

export interface Converged {
  readonly work: Work;
  readonly source: SourceData;
  /** Where templates wrote what is not there. */
  readonly missing: readonly string[];
}

/** Vault's answer is older than what was written: perhaps a standby that lags. */
export class OlderAnswer extends Error {}

export interface BeginInput {
  readonly row: Row;
  readonly settings: ClusterSettings;
  readonly resolved: ResolvedStaticSecret;
  readonly sources: SourceReader;
  /** What Vault refused before is asked anew. */
  readonly since?: number;
}

export interface ConvergeInput extends BeginInput {
  /** Takes the lease when it is first needed; throws LEASE_LOST. */
  readonly hold: () => Promise<Lease>;
  readonly isHeld: () => boolean;
}

type Apis = Pick<ReconcileDeps, "secrets" | "resources" | "clusters" | "clock" | "log" | "digestKey" | "templates">;

/** One change at a time, then a new judgement: done is when nothing is left to do. In the steady state that is one read and no write. Throws RecordFirst. */
export async function converge(apis: Apis, input: ConvergeInput, signal: AbortSignal): Promise<Converged> {
  const { work, ...begun } = await begin(apis, input, signal);
  const done = await untilDone(work, async (before, decision) => {
    if (decision.do === "observe") return observe(apis, before, signal);
    if (decision.do === "apply" && decision.because === "observe: apply" && !input.isHeld()) {
      return reassert(apis, before, decision, signal);
    }
    const lease = await input.hold();
    const rolledDigest = input.resolved.rolloutTargets.length > 0 ? unrecordedRollout(before.seen) : undefined;
    if (rolledDigest !== undefined) throw new RecordFirst(rolledDigest);
    return act(apis, before, decision, lease, signal);
  });
  return { work: done, ...begun };
}

/** What a run starts from, before it knows anything of the destination. Throws OlderAnswer. */
export async function begin(
  apis: Pick<ReconcileDeps, "clock" | "digestKey" | "templates">,
  input: BeginInput,
  signal: AbortSignal,
): Promise<Converged> {
  const { since, resolved } = input;
  const source = await input.sources.read({ ...resolved.read, ...(since !== undefined && { since }) }, signal);
  mustNotBeOlder(input.row, source, apis.clock());
  const { data, missing } = await dataOf(apis, input, source, signal);
  return { work: workOf(apis, input, data), source, missing };
}

/** Judges, has the judgement carried out, and judges anew until nothing is left to do. A plan carries out in mind only. */
export async function untilDone(
  start: Work,
  carryOut: (work: Work, decision: Decision) => Promise<Work>,
): Promise<Work> {
  let work = start;
  for (let step = 0; step < MAX_STEPS; step++) {
    const decision = decide(work.seen);
    if (decision.do === "nothing") return work;
    work = await carryOut(work, decision);
  }
  throw new SyncError(
    "NOT_CONVERGING",
    `Secret ${work.secret.namespace}/${work.secret.name} changed again after each of ${MAX_STEPS} steps: someone else writes to it`,
  );
}

/** The Secret's data. Without templates and filters the engine isn't asked, and not even loaded. */
async function dataOf(
  { templates }: Pick<ReconcileDeps, "templates">,
  { row, resolved }: BeginInput,
  source: SourceData,
  signal: AbortSignal,
): Promise<{ readonly data: SecretData; readonly missing: readonly string[] }> {
  const { transformation } = resolved;
  if (isPlain(transformation)) return { data: secretData(source, transformation), missing: [] };
  const rendered = await templates.render({ ...transformation, input: templateInput(source, row.declared) }, signal);
  return { data: secretData(source, transformation, rendered), missing: rendered.missing };
}

function workOf(apis: Pick<ReconcileDeps, "digestKey">, input: BeginInput, data: SecretData): Work {
  const { row, resolved, settings } = input;
  const { cluster, namespace, kind, name } = partsOf(row.key);
  const ownerReference = { apiVersion: "secrets.hashicorp.com/v1beta1", kind, name, uid: row.declared.uid };
  return {
    secret: { cluster, namespace, name: resolved.destination.name },
    data,
    seen: {
      row,
      destination: { ...resolved.destination, ownerReference },
      observe: settings.observe,
      digest: digestOf(apis.digestKey, data),
      key: apis.digestKey,
      secret: "unread",
      applied: false,
    },
  };
}

/** `observe: apply` in the steady state: the same content again, at what was recorded; needs no lease (lease-table 7). */
async function reassert(
  apis: Apis,
  work: Work,
  at: { readonly uid: string; readonly resourceVersion: string },
  signal: AbortSignal,
): Promise<Work> {
  const { type, labels, annotations, ownerReference } = work.seen.destination;
  const desired = { type, labels, annotations, ownerReference, data: work.data };
  try {
    const { uid, resourceVersion } = at;
    const written = await apis.secrets.apply(work.secret, desired, { kind: "as-seen", uid, resourceVersion }, signal);
    if (written.resourceVersion === resourceVersion) return { ...work, seen: { ...work.seen, applied: true } };
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== "KUBE_CONFLICT") throw error;
  }
  return observe(apis, work, signal);
}

function mustNotBeOlder(row: Row, source: SourceData, now: number): void {
  const { version: recorded, olderSince } = staticState(row.state);
  if (!recorded || !source.version || !isCarriedOut(row)) return;
  const isOlder = Date.parse(source.version.createdTime) < Date.parse(recorded.createdTime);
  if (isOlder && now - (olderSince ?? now) < OLDER_BELIEVED_MS) throw new OlderAnswer();
}
