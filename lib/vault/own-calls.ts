import { randomBytes as systemRandom } from "node:crypto";
import { MARK, type OwnCallNotes, type OwnCalls } from "../ports/own-calls.ts";

/** Ids in memory: more than a fleet revokes before their lines arrive. */
const MOST_IDS = 10_000;
const MARK_BYTES = 16;

export type RandomBytes = (length: number) => Buffer;

function newMark(randomBytes: RandomBytes): string {
  return `keyferry-${randomBytes(MARK_BYTES).toString("hex")}`;
}

/** Of a process that reads the audit lines itself. */
export function ownCalls(most = MOST_IDS, randomBytes: RandomBytes = systemRandom): OwnCalls {
  const leases = new Set<string>();
  const requests = new Set<string>();
  const keep = (ids: Set<string>, id: string): void => {
    ids.delete(id);
    ids.add(id);
    const [oldest] = ids;
    if (ids.size > most && oldest !== undefined) ids.delete(oldest);
  };
  return {
    revokes: (leaseId) => keep(leases, leaseId),
    async asked(requestId) {
      if (requestId !== "") keep(requests, requestId);
    },
    async mark() {
      const mark = newMark(randomBytes);
      keep(requests, mark);
      return mark;
    },
    has: ({ requestId, leaseId, mark }) =>
      requests.has(requestId) || (leaseId !== undefined && leases.has(leaseId)) || (isMark(mark) && requests.has(mark)),
  };
}

/** A mark is no id of a request, nor the other way round. */
function isMark(text: string | undefined): text is string {
  return text !== undefined && MARK.test(text);
}

/** Of a process whose audit lines another one reads. A failed note costs a look-up, and no revocation. */
export function notedCalls(notes: Pick<OwnCallNotes, "note">, randomBytes: RandomBytes = systemRandom): OwnCalls {
  const note = (id: string): Promise<void> => notes.note(id).catch(() => undefined);
  return {
    revokes: () => undefined,
    async asked(requestId) {
      if (requestId !== "") await note(requestId);
    },
    async mark() {
      const mark = newMark(randomBytes);
      await note(mark);
      return mark;
    },
    has: () => false,
  };
}
