import type { Bug } from "../core/simulation/bugs.ts";

/** The series that shows it, from this n on. */
interface Where {
  readonly only: string;
  readonly first: number;
}

/** Faults of the protocols of an issue and of a push: `npm run test:crash -- --bug all` shows that the matrix finds each. */
export const BUGS: Readonly<Record<string, Bug & Where>> = {
  "asks-unrecorded": {
    what: "Vault is asked before the row knows",
    file: "lib/issues/ask-anew.ts",
    from: "await claim.record({ issues: [...(claim.row.state.issues ?? []), issue], own });",
    to: "claim.note({ issues: [...(claim.row.state.issues ?? []), issue], own });",
    only: "first-issue/sqlite/openbao",
    first: 46,
  },
  "revoked-too-soon": {
    what: "a token is revoked while its own request may be under way",
    file: "lib/issues/issue-times.ts",
    from: "const { endAt = issue.askBefore } = issue;",
    to: "const endAt = 0;",
    only: "cut:first-issue/sqlite/openbao",
    first: 3,
  },
  "answer-unrecorded": {
    what: "an answer is written before the row knows it",
    file: "lib/kinds/issued/ask-own.ts",
    from: "await claim.record({ issues: issuesWith(got), own: ownIssued(own) });",
    to: "claim.note({ issues: issuesWith(got), own: ownIssued(own) });",
    only: "first-issue/sqlite/openbao",
    first: 46,
  },
  "never-adopted": {
    what: "an answer that the Secret has is issued again",
    file: "lib/kinds/issued/left-over.ts",
    from: "if (digest === undefined) return false;",
    to: "if (digest !== '') return false;",
    only: "re-issue/sqlite/openbao",
    first: 20,
  },
  "forgotten-by-deletion": {
    what: "a clean-up forgets what is in Vault",
    file: "lib/reconcile/duties.ts",
    from: "claim.note({ issues: ending });\n  await endDue(deps, claim, undefined, signal);",
    to: "claim.note({ issues: [] });\n  await endDue(deps, claim, undefined, signal);",
    only: "delete/sqlite/openbao",
    first: 1,
  },
  "push-unrecorded": {
    what: "a path is written before the row says what is written",
    file: "lib/destinations/vault/act.ts",
    from: "await claim.record({ pushed: withPath(claim.row.state.pushed, next) });",
    to: "claim.note({ pushed: withPath(claim.row.state.pushed, next) });",
    only: "push-delete-meanwhile/sqlite/openbao",
    first: 20,
  },
};
