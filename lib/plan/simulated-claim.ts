import type { Claim } from "../ports/claim.ts";
import type { Row } from "../ports/rows.ts";
import type { Lease } from "../ports/store.ts";

/** The claim of a simulated run: no other worker competes, and records stay in memory. */
export function simulatedClaim(read: Row): Claim {
  let row = read;
  const { key, declared, fence, nudges, state } = read;
  const lease: Lease = { key, uid: declared.uid, fence, nudges, state, until: Number.MAX_SAFE_INTEGER };
  return {
    get row() {
      return row;
    },
    isTaken: true,
    take: async () => true,
    takeToWrite: async () => lease,
    async record(learned) {
      row = { ...row, state: { ...row.state, ...learned } };
    },
    note(learned) {
      row = { ...row, state: { ...row.state, ...learned } };
    },
    settle: async () => undefined,
  };
}
