/**
 * Faults that can be put into the product, one at a time, to show that the simulation finds them:
 * `npm run test:sim -- --bug dropped-fence`. Each is a change of one text of one file as it is loaded; nothing on disk changes.
 */
import type { ScheduleName } from "./schedule.ts";

export interface Bug {
  readonly what: string;
  /** In whose schedules it shows: those of static secrets, unless it says so. */
  readonly kind?: ScheduleName;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const BUGS: Readonly<Record<string, Bug>> = {
  "dropped-fence": {
    what: "settle does not ask for its fence",
    file: "lib/store/sqlite/leases.ts",
    from: "WHERE key = :key AND uid = :uid AND fence = :fence\n    RETURNING body, nudges",
    to: "WHERE key = :key AND uid = :uid AND :fence = :fence\n    RETURNING body, nudges",
  },
  "lost-nudge": {
    what: "settle takes its schedule although someone asked for more meanwhile",
    file: "lib/store/sqlite/leases.ts",
    from: "due_at = CASE nudges WHEN :nudges THEN :dueAt ELSE :now END",
    to: "due_at = CASE nudges WHEN :nudges THEN :dueAt ELSE :dueAt END",
  },
  "apply-without-precondition": {
    what: "an apply demands no uid and resourceVersion of the Secret that it finds",
    file: "lib/kubernetes/secret-object.ts",
    from: "return { uid: precondition.uid, resourceVersion: precondition.resourceVersion };",
    to: "return {} as { resourceVersion: string };",
  },
  "cursor-too-far": {
    what: "a watch's cursor moves before what was seen is taken in",
    file: "lib/discovery/list-and-watch.ts",
    from: "await unlessBug(deps, { ...input, object: event.object }, () => takeIn(input, event, signal));",
    to: "void unlessBug(deps, { ...input, object: event.object }, () => takeIn(input, event, signal)).catch(() => undefined);",
  },
  "outage-never-ends": {
    what: "a probe that succeeds does not close its circuit",
    file: "lib/outage/close-circuit.ts",
    from: "if (!(await closed(deps, circuit, first))) return;",
    to: "if (deps.clock() > 0) return;",
  },
  "shared-across-identities": {
    what: "two identities of one batch share a read of Vault",
    file: "lib/ports/vault-ids.ts",
    from: "return fingerprint(\n    read.identity.id,",
    to: "return fingerprint(\n    read.identity.target.address,",
  },
  "write-before-record": {
    what: "a destination's name does not enter the row with the claim",
    file: "lib/store/left-behind.ts",
    from: "...(owned === undefined ? {} : { owned: mergeOwned(state.owned, owned) }),",
    to: "",
  },
  "restart-forgotten": {
    what: "a restart that is owed is not recorded with the write",
    file: "lib/rollout/owed-rollout.ts",
    from: "return { digest, since: now, at, attempts: 0 };",
    to: "return undefined;",
  },
  "asked-without-record": {
    what: "a credential is asked for before the row says so",
    kind: "issued",
    file: "lib/issues/ask-anew.ts",
    from: "await claim.record({ issues: [...(claim.row.state.issues ?? []), issue], own });",
    to: "claim.note({ issues: [...(claim.row.state.issues ?? []), issue], own });",
  },
  "revoked-at-once": {
    what: "after a time-out the token is revoked at once, while its request may still run",
    kind: "issued",
    file: "lib/issues/ask-anew.ts",
    from: 'const isDone = error.outcome === "none";',
    to: 'const isDone = error.outcome !== "never";',
  },
  "revoked-before-rollout": {
    what: "a replaced credential is revoked although workloads still run with it",
    kind: "issued",
    file: "lib/issues/replaced.ts",
    from: "return { ...endingByItself(rest, now), endAt: now + LOOK_AGAIN_MS, inUseUntil: now + ROLLOUT_WITHIN_MS };",
    to: "return endingAt(rest, now, now);",
  },
  "renewal-waits-for-cluster": {
    what: "nothing is renewed while the circuit of its cluster is open",
    kind: "issued",
    file: "lib/reconcile/renew-row.ts",
    from: "if (await isOutOfReachTooLong(deps, row, batch)) return endOutOfReach(deps, row, batch.signal);",
    to: "if (await batch.circuits.openAmong([circuitOfCluster(partsOf(key).cluster)])) return;",
  },
  "retired-forgotten": {
    what: "a row whose cluster leaves the fleet is removed with its issues",
    kind: "issued",
    file: "lib/store/sqlite/declarations.ts",
    from: "if ((state.issues ?? []).length === 0) {",
    to: "if ((state.issues ?? []).length >= 0) {",
  },
  "revoked-in-use": {
    what: "an answer that was written, but not settled, is ended",
    kind: "issued",
    file: "lib/kinds/issued/left-over.ts",
    from: "if (digest === undefined) return undefined;",
    to: "if (digest !== undefined) return undefined;",
  },
  "token-not-renewed": {
    what: "leases are renewed, and their tokens are not",
    kind: "issued",
    file: "lib/issues/issue-times.ts",
    from: "return Math.floor(at / SECOND_MS / period) % every === 0;",
    to: "return Math.floor(at / SECOND_MS / period) % every < 0;",
  },
  "renewal-writes": {
    what: "a renewal that succeeds writes to the table",
    kind: "issued",
    file: "lib/reconcile/renew-row.ts",
    from: "if (renewed.lost.size > 0 && !isCleanupKey(key))",
    to: "if (renewed.renewed.size > 0 && !isCleanupKey(key))",
  },
  "leased-by-shared-token": {
    what: "a request whose predecessor had no lease is asked with the shared token",
    kind: "issued",
    file: "lib/kinds/issued/issued-kind.ts",
    from: "return isLeaseless === true && isTaken !== true && request === requestOf(resolved);",
    to: "return isLeaseless === true && isTaken !== true && (request ?? requestOf(resolved)) !== undefined;",
  },
  "refusals-counted": {
    what: "a request that Vault refuses counts as one that it answered with a credential",
    kind: "issued",
    file: "lib/kinds/issued/counted-ask.ts",
    from: "refused: { ...was, asks: former },",
    to: "refused: { ...was, asks },",
  },
  "foreign-overwritten": {
    what: "data of someone else is replaced at first sight, whatever push.conflict says",
    kind: "push",
    file: "lib/destinations/vault/decide.ts",
    from: 'if (conflict === "adopt") return',
    to: 'if (conflict !== "merge") return',
  },
  "foreign-removed": {
    what: "a removal does not look at what stands at its path",
    kind: "push",
    file: "lib/destinations/vault/remove.ts",
    from: 'if (own === undefined) return { ...left(pathText(at), "it holds another version than keyferry wrote"), newest };',
    to: "if (own === undefined) return await writes.remove(who, at, version, signal).then(() => ({ newest }));",
  },
  "versions-too-frequent": {
    what: "a path gets a version with each change, however soon",
    kind: "push",
    file: "lib/destinations/vault/frequency.ts",
    from: "export const BETWEEN_WRITES_MS = 30 * SECOND_MS;",
    to: "export const BETWEEN_WRITES_MS = 3 * SECOND_MS;",
  },
  "predecessor-never-ends": {
    what: "a leased credential stays in use after a successor without a lease",
    kind: "issued",
    file: "lib/kinds/issued/leaseless.ts",
    from: "return fresh(kind, run, own, made, left);",
    to: "return fresh(kind, run, own, made, left.length < 0 ? left : issues);",
  },
};
