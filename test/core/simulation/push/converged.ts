import type { ErrorCode } from "../../../../lib/errors.ts";
import { declarationKey, isCleanupKey, partsOf, type SyncKey } from "../../../../lib/keys.ts";
import type { Row } from "../../../../lib/ports/rows.ts";
import { annotatedKind } from "../../../../lib/resource-kinds.ts";
import type { Processes } from "../processes.ts";
import { type Bodies, type Declared, declaredIn } from "./intended.ts";
import type { PushMonitor } from "./monitor.ts";
import type { PushSetting } from "./setting.ts";

/** What is not as it should be: Vault has what each annotated object wants, and nothing of those that are gone. */
export async function pushProblems(
  setting: PushSetting,
  { store }: Processes,
  watching: PushMonitor,
): Promise<readonly string[]> {
  const rows = await rowsOf(setting, store);
  const declared = declaredIn(setting);
  const keys = new Set<string>(declared.map(({ key }) => key));
  const isInTrouble = (key: SyncKey): boolean => keys.has(key) && rows.get(key)?.state.error !== undefined;
  // While something stands in the way of an object, its former paths stay too, and the clean-up that it interrupted.
  const isHeld = (key: SyncKey): boolean => isInTrouble(isCleanupKey(key) ? declarationKey(key) : key);
  const held = [...rows.values()].flatMap(({ key, state: { pushed = [] } }) =>
    isHeld(key) ? pushed.map(({ path }) => path) : [],
  );
  const wanted = new Set([...declared.flatMap(({ bodies }) => [...bodies().keys()]), ...held]);
  const problems = declared.flatMap((one) => problemsOf(one, rows.get(one.key), { declared, held, watching }));
  return [
    ...problems,
    ...leftIn(rows, (key) => keys.has(key) || isHeld(key)),
    ...watching.paths().flatMap((path) => (wanted.has(path) ? [] : leftAt(path, watching))),
  ];
}

function leftIn(rows: ReadonlyMap<SyncKey, Row>, isRight: (key: SyncKey) => boolean): readonly string[] {
  return [...rows.keys()].filter((key) => !isRight(key)).map((key) => `${key} is left in the table`);
}

async function rowsOf(setting: PushSetting, store: Processes["store"]): Promise<ReadonlyMap<SyncKey, Row>> {
  const lists = await Promise.all([...setting.clusters.keys()].map((name) => store.byCluster(name)));
  const keys = lists.flat().map(({ key }) => key);
  const pushes = keys.filter((key) => annotatedKind(partsOf(key).kind) !== undefined);
  return await store.read(pushes, "strong");
}

interface Around {
  readonly declared: readonly Declared[];
  /** Paths of rows that have an error. */
  readonly held: readonly string[];
  readonly watching: PushMonitor;
}

function problemsOf({ key, isAllowed, bodies }: Declared, row: Row | undefined, around: Around): readonly string[] {
  if (row === undefined) return [`${key} has no row`];
  const code = row.state.error?.code;
  const standing = `${code ?? "no error"}, due ${row.dueAt}, leased until ${row.leaseUntil}`;
  if (!isAllowed) return code === "PUSH_NOT_ALLOWED" ? [] : [`${key} should not be allowed: ${standing}`];
  if (code !== undefined) return isExpected(code, key, bodies(), around) ? [] : [`${key}: ${standing}`];
  return [...bodies()].flatMap(([path, body]) =>
    around.watching.newest(path)?.text === body ? [] : [`${path} of ${key} holds something else: ${standing}`],
  );
}

function isExpected(code: ErrorCode, key: string, bodies: Bodies, { declared, held, watching }: Around): boolean {
  const paths = [...bodies.keys()];
  const others = declared.filter((other) => other.key !== key && other.isAllowed);
  if (code === "PATH_TAKEN")
    return paths.some((path) => held.includes(path) || others.some((other) => other.bodies().has(path)));
  // What was preserved is nobody's any more.
  const isForeign = (path: string) => watching.newest(path)?.by === "person" || watching.isPreserved(path);
  return code === "PUSH_CONFLICT" && paths.some(isForeign);
}

function leftAt(path: string, watching: PushMonitor): readonly string[] {
  const newest = watching.newest(path);
  return newest?.by === "keyferry" && !watching.isPreserved(path) ? [`${path} is left in Vault: ${newest.text}`] : [];
}
