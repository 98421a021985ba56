/**
 * Faults that can be put into the product, one at a time, to show that the simulation finds them:
 * `npm run test:sim -- --bug dropped-fence`. Each is a change of one text of one file as it is loaded; nothing on disk changes.
 */
export interface Bug {
  readonly what: string;
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
    file: "lib/outage/circuit.ts",
    from: "if (!(await deps.leases.closeCircuit(circuit))) return;",
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
};
