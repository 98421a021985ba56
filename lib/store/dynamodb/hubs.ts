import type { EpochMs } from "../../clock.ts";
import type { HubRow, HubState, HubStore } from "../../ports/store.ts";
import { parsed, soundHubState } from "../stored.ts";
import { all, either, fenceIsStill, itemExists, itemIsAbsent, itsLeaseRanOut, nobodyHoldsIt } from "./conditions.ts";
import type { Connection } from "./connection.ts";
import { HUBS, type ItemKey, partsOfHub } from "./table.ts";

interface HubItem {
  readonly sk: string;
  readonly fence: number;
  readonly leaseUntil?: EpochMs;
  readonly dueAt: EpochMs;
  readonly revision?: number;
  /** How many items hold the state of this revision. */
  readonly parts?: number;
}

interface PartItem {
  readonly sk: string;
  readonly part: string;
}

/** Characters of a part, each of one byte: an item may have 400 KB. */
const PART = 350_000;
/** The state may be replaced while its parts are read. */
const READS = 4;

function hubAt(name: string): ItemKey {
  return { pk: HUBS, sk: name };
}

function partAt(name: string, revision: number, at: number): ItemKey {
  return { pk: partsOfHub(name), sk: `${revision}#${String(at).padStart(4, "0")}` };
}

function hubOf({ sk: name, fence, leaseUntil, dueAt, revision }: HubItem): HubRow {
  const claimed = leaseUntil === undefined ? {} : { leaseUntil };
  return { name, fence, ...claimed, dueAt, ...(revision === undefined ? {} : { revision }) };
}

/** The hubs of the fleet, and which worker reads one now. */
export function hubStore(connection: Connection): HubStore {
  return {
    hubs: async () => {
      connection.count("hubs");
      return (await connection.query<HubItem>({ partition: ["pk", HUBS] })).map(hubOf);
    },
    hubState: async (name) => {
      connection.count("hubState");
      for (let read = 0; read < READS; read++) {
        const { revision, parts } = (await connection.get<HubItem>(hubAt(name), "strong")) ?? {};
        if (revision === undefined || parts === undefined) return undefined;
        const text = await textOf(connection, name, revision, parts);
        if (text === undefined) continue;
        const state = soundHubState(parsed(text));
        if (state !== undefined) return { revision, state };
        break;
      }
      connection.damaged(`hub:${name}`);
      return undefined;
    },
    claimHub: async (name, { now, until }) => {
      connection.count("claimHub");
      const change = { set: { leaseUntil: until, dueAt: until }, add: { fence: 1 } };
      const itIsFree = all(itemExists, either(nobodyHoldsIt, itsLeaseRanOut(now)));
      const claimed = await connection.update<HubItem>(hubAt(name), change, itIsFree);
      if (claimed.holds) return hubOf(claimed.item);
      if (claimed.item !== undefined) return undefined;
      const row = { fence: now, leaseUntil: until, dueAt: until };
      return (await connection.put({ ...hubAt(name), ...row }, itemIsAbsent)) ? { name, ...row } : undefined;
    },
    saveHub: async ({ name, fence }, state, dueAt) => {
      connection.count("saveHub");
      // Written before the row names them: a reader finds the parts of the old revision or of the new one.
      const parts = state === undefined ? undefined : await putParts(connection, name, fence, state);
      if (parts === "lost") return false;
      const ended = { leaseUntil: undefined, dueAt };
      const change = { set: parts === undefined ? ended : { ...ended, revision: fence, parts } };
      const { holds } = await connection.update(hubAt(name), change, all(itemExists, fenceIsStill(fence)));
      // Also those of a process that was killed in between.
      if (holds && parts !== undefined) await dropParts(connection, name, fence);
      return holds;
    },
    removeHub: async ({ name, fence }) => {
      connection.count("removeHub");
      const { holds } = await connection.remove(hubAt(name), all(itemExists, fenceIsStill(fence)));
      if (holds) await dropParts(connection, name, fence + 1);
    },
  };
}

/** The text of this revision; undefined when some of its parts are gone. */
async function textOf(
  connection: Connection,
  name: string,
  revision: number,
  parts: number,
): Promise<string | undefined> {
  const keys = Array.from({ length: parts }, (_, at) => partAt(name, revision, at));
  const found = await connection.getAll<PartItem>(keys, "strong");
  if (found.length < parts) return undefined;
  return found
    .toSorted((a, b) => (a.sk < b.sk ? -1 : 1))
    .map(({ part }) => part)
    .join("");
}

/** The number of parts; `lost` when a state was stored with this fence already. */
async function putParts(
  connection: Connection,
  name: string,
  revision: number,
  state: HubState,
): Promise<number | "lost"> {
  // ASCII only, so that no part ends within a character.
  const text = JSON.stringify(state).replace(/[^\x20-\x7e]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  const parts = Math.ceil(text.length / PART);
  for (let at = 0; at < parts; at++) {
    const part = text.slice(at * PART, (at + 1) * PART);
    if (!(await connection.put({ ...partAt(name, revision, at), part }, itemIsAbsent))) return "lost";
  }
  return parts;
}

/** Removes the parts of revisions before this one; the others are of a pass that has begun since. */
async function dropParts(connection: Connection, name: string, but: number): Promise<void> {
  for (const { sk } of await connection.query<PartItem>({ partition: ["pk", partsOfHub(name)] })) {
    if (Number.parseInt(sk, 10) < but) await connection.remove({ pk: partsOfHub(name), sk });
  }
}
