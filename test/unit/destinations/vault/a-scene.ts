import { type Acting, act } from "../../../../lib/destinations/vault/act.ts";
import type { ObjectWork, SeenObject } from "../../../../lib/destinations/vault/state.ts";
import { digestKey, digestOf } from "../../../../lib/digest.ts";
import { type ErrorCode, SyncError } from "../../../../lib/errors.ts";
import { EMPTY_STATE, type Pushed, type RowState } from "../../../../lib/ports/rows.ts";
import type { KvFields, KvPatch, SeenPath, WriteResult } from "../../../../lib/ports/vault-writes.ts";
import { type SecretData, SecretValue } from "../../../../lib/secret-value.ts";
import { aPushed, aRow } from "../../../builders.ts";

export const NOW = Date.UTC(2030, 0, 1);
const KEY = digestKey(Buffer.alloc(32, 1));
export const dataOf = (fields: Readonly<Record<string, string>>) =>
  new Map(Object.entries(fields).map(([name, text]) => [name, SecretValue.of(text)]));
export const digest = (fields: Readonly<Record<string, string>>) => digestOf(KEY, dataOf(fields));
const FIELDS: KvFields = new Map(
  [...dataOf({ b: "2", a: "1" })].map(([name, value]) => [name, { value, base64: false }]),
);
export const WANTED = digest({ a: "1", b: "2" });

export interface Given {
  readonly recorded?: Partial<Pushed>;
  readonly seen?: SeenObject;
  readonly found?: SeenPath | ErrorCode;
  readonly result?: WriteResult;
  readonly engine?: "kv-v1" | "kv-v2";
  readonly isClaimed?: boolean;
  readonly body?: SecretData;
  /** Of binary fields, to stand in custom_metadata. */
  readonly list?: string;
  readonly isStill?: boolean;
  readonly mayDescribe?: boolean;
  /** The list is refused. */
  readonly refuses?: ErrorCode;
}

/** One path during a run, and what is done with it. */
export function aScene({
  recorded = {},
  seen = { kind: "unread" },
  found = { kind: "absent" },
  result = { kind: "written", version: 5 },
  engine = "kv-v2",
  isClaimed = true,
  body = new Map(),
  list = "",
  isStill = true,
  mayDescribe = true,
  refuses,
}: Given = {}) {
  const done: string[] = [];
  const other = aPushed("other", { digest: "d" });
  const path = aPushed("db", { engine, ...recorded });
  let state: RowState = { ...EMPTY_STATE, pushed: isClaimed ? [other, path] : [other] };
  let atRecord: Pushed | undefined;
  const mine = () => state.pushed?.find((one) => one.path === "db");
  const learn = (learned: Partial<RowState>) => {
    state = { ...state, ...learned };
  };
  const names = (fields: KvFields | KvPatch) =>
    [...fields].map(([name, field]) => (field === null ? `-${name}` : name)).join();
  const acting = {
    writes: {
      async read() {
        done.push("read");
        if (typeof found === "string") throw new SyncError(found, "no");
        return found;
      },
      async put(_who: unknown, _at: unknown, fields: KvFields, cas: number) {
        done.push(`put ${names(fields)} at ${cas}`);
        return result;
      },
      async patch(_who: unknown, _at: unknown, fields: KvPatch, cas: number) {
        done.push(`patch ${names(fields)} at ${cas}`);
        return result;
      },
      async isStill() {
        done.push("ask for the mount");
        return isStill;
      },
      async mayDescribe() {
        done.push("ask for the right");
        return mayDescribe;
      },
      async describe(_who: unknown, _at: unknown, custom: Readonly<Record<string, string | null>>) {
        done.push(`describe ${JSON.stringify(custom)}`);
        if (refuses !== undefined) throw new SyncError(refuses, "no");
      },
    },
    ...{ who: {}, key: KEY, clock: () => NOW, signal: new AbortController().signal },
    claim: {
      get row() {
        return aRow({ state });
      },
      takeToWrite: async () => void done.push("takeToWrite"),
      async record(learned: Partial<RowState>) {
        learn(learned);
        atRecord = mine();
        done.push(`record ${mine()?.writing === undefined ? "nothing" : "writing"}`);
      },
      note: learn,
    },
  } as unknown as Acting;
  const at = { mount: "kv", path: "db", engine } as const;
  const work: ObjectWork = {
    ...{ name: "", at, body, fields: FIELDS, list, digest: WANTED },
    ...{ recorded: path, seen, isDone: false },
  };
  return {
    done,
    mine,
    /** As it was recorded last, before what was noted since. */
    atRecord: () => atRecord,
    work,
    others: () => state.pushed?.[0],
    decide: (decision: Parameters<typeof act>[2]) => act(acting, work, decision),
  };
}
