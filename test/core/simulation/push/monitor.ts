import { SECOND_MS } from "../../../../lib/clock.ts";
import type { SyncKey } from "../../../../lib/keys.ts";
import type { Pushed } from "../../../../lib/ports/rows.ts";
import type { LeaseStore } from "../../../../lib/ports/store.ts";
import { bodyOf, type Question, textsOf } from "../../world/vault/answers.ts";
import type { Fault } from "../../world/vault/serve.ts";
import { ROOT } from "../../world/vault/tokens.ts";
import { faultOf } from "../issued/requests.ts";
import { type Declared, declaredIn, textOf } from "./intended.ts";
import { type KvRequest, NAMESPACE, type PushAction } from "./plan.ts";
import type { PushSetting } from "./setting.ts";

/** Watches what keyferry does in Vault, and says which rule it breaks. */
export interface PushMonitor {
  /** The store as it was given, with an eye on the paths that rows let go. */
  watch(store: LeaseStore): LeaseStore;
  /** Something changed in a cluster: what is wanted may be another. */
  wanted(): void;
  faultsAhead(action: Extract<PushAction, { readonly do: "answer" }>): void;
  calm(): void;
  /** What a path holds; undefined: nothing, or a deleted version. */
  newest(path: string): Version | undefined;
  paths(): readonly string[];
  isPreserved(path: string): boolean;
  /** Versions that keyferry wrote so far. */
  writes(): number;
}

export interface Version {
  readonly by: "keyferry" | "person";
  readonly text: string;
}

interface Path {
  versions: (Version & { isLive: boolean })[];
  /** keyferry wrote it, or found there what it wanted, and no row has let it go since. */
  isOurs: boolean;
  /** Changes of what is wanted there, and of what people did there. */
  causes: number;
  writes: number;
  /** All that was ever wanted there. */
  readonly bodies: Set<string>;
  wanted: string;
  readonly lastWrite: Map<SyncKey | undefined, number>;
  isPreserved: boolean;
}

const BETWEEN_MS = 30 * SECOND_MS;

export interface PushMonitorOptions {
  readonly setting: PushSetting;
  readonly say: (violation: string) => void;
}

export function pushMonitor({ setting, say }: PushMonitorOptions): PushMonitor {
  const { vault, trueTime, plan } = setting;
  const paths = new Map<string, Path>();
  const held = new Map<SyncKey, ReadonlySet<string>>();
  /** The row that said last that it writes to a path. */
  const writing = new Map<string, SyncKey>();
  const faults: { readonly of: KvRequest; readonly fault: Fault; left: number }[] = [];
  /** All that was ever declared. */
  const known = new Map<string, Declared>();
  // A request arrives later than keyferry counts from, and Vault may work on it for some time.
  const arrivesMs = plan.actions.some((action) => action.do === "answer") ? 13_000 : 3_000;
  const isClockSteady = !plan.actions.some((action) => action.do === "clock-step");
  const at = (path: string): Path => {
    const known = paths.get(path) ?? fresh();
    paths.set(path, known);
    return known;
  };
  const isOwn = (path: Path, version: Version | undefined): boolean =>
    version !== undefined && (version.by === "keyferry" || path.bodies.has(version.text));

  const judgeWrite = (path: string, question: Question, text: string): void => {
    const known = at(path);
    const newest = known.versions.at(-1);
    if (!path.startsWith(`apps/${NAMESPACE}/`)) say(`allow-list: ${path} is written`);
    if (typeof Object(bodyOf(question).options).cas !== "number") say(`cas: ${path} is written without it`);
    if (newest?.isLive && newest.text === text) say(`doubled version: ${path} gets what it holds`);
    if (newest?.isLive && newest.by === "person" && !known.isOurs && plan.conflict === "fail")
      say(`conflict: foreign data at ${path} is overwritten`);
    if (!isMadeOf(text, known.bodies)) say(`data: ${path} gets ${text}`);
  };
  const onWrite = (path: string, question: Question): void => {
    const known = at(path);
    const text = textOf(Object(bodyOf(question).data)) ?? "";
    judgeWrite(path, question, text);
    known.writes += 1;
    if (known.writes > known.causes) say(`versions: ${path} has ${known.writes} for ${known.causes} changes`);
    const key = writing.get(path);
    const sinceMs = trueTime.now() - (known.lastWrite.get(key) ?? Number.NEGATIVE_INFINITY);
    if (isClockSteady && sinceMs < BETWEEN_MS - arrivesMs)
      say(`30 s: ${path} gets a version ${sinceMs} ms after another`);
    known.lastWrite.set(key, trueTime.now());
    known.isOurs = true;
    known.versions.push({ by: "keyferry", text, isLive: true });
  };
  const onPerson = (path: string, question: Question): void => {
    const known = at(path);
    known.causes += 1;
    const text = textOf(Object(bodyOf(question).data)) ?? "";
    known.isOurs ||= known.bodies.has(text);
    known.versions.push({ by: "person", text, isLive: true });
  };
  const onDelete = (path: string, numbers: readonly string[]): void => {
    const known = at(path);
    for (const number of numbers) {
      const version = known.versions[Number(number) - 1];
      if (version?.isLive && !isOwn(known, version)) say(`deletion: version ${number} of ${path} is not ours`);
      if (version) version.isLive = false;
    }
  };
  const onForget = (path: string): void => {
    const known = at(path);
    const newest = known.versions.at(-1);
    if (plan.deletion !== "metadata") say(`deletion: ${path} goes with its metadata`);
    if (newest?.isLive && !isOwn(known, newest)) say(`deletion: ${path} holds someone else's version`);
    known.versions = [];
  };
  const onPersonRemoves = (path: string, isWhole: boolean): void => {
    const known = at(path);
    const newest = known.versions.at(-1);
    known.causes += 1;
    if (isWhole) known.versions = [];
    else if (newest) newest.isLive = false;
  };
  const person = (question: Question, area: string, path: string): void => {
    if (question.method === "POST" && area === "data") onPerson(path, question);
    if (question.method === "DELETE") onPersonRemoves(path, area === "metadata");
  };
  const ours = (question: Question, area: string, path: string): void => {
    const what = `${question.method} ${area}`;
    if (what === "POST data") onWrite(path, question);
    else if (what === "POST delete") onDelete(path, textsOf(bodyOf(question).versions));
    else if (what === "DELETE metadata") onForget(path);
    else if (question.method !== "GET") say(`unknown request: ${what}/${path}`);
  };
  const took = (question: Question, whole: string): void => {
    const [area = "", ...rest] = whole.split("/");
    const path = rest.join("/");
    const isPerson = question.token === ROOT;
    if (isPerson) person(question, area, path);
    else ours(question, area, path);
  };
  const kv = vault.server.kv("kv");
  if (kv === undefined) throw new Error("no mount kv");
  const { handle } = kv;
  kv.handle = (question, path) => {
    const answer = handle(question, path);
    if (answer.status < 300) took(question, path);
    return answer;
  };
  vault.meddle((question) => {
    const kind = requestKind(question);
    const found = faults.find(({ of, left }) => of === kind && left > 0);
    if (found === undefined) return undefined;
    found.left -= 1;
    return found.fault;
  });

  const onState = (key: SyncKey, pushed: readonly Pushed[] = []): void => {
    for (const path of pushed) if (path.writing !== undefined) writing.set(path.path, key);
    const now = new Set(pushed.map(({ path }) => path));
    const before = held.get(key) ?? new Set();
    held.set(key, now);
    for (const path of [...before].filter((path) => !now.has(path))) letGo(at(path));
    // It may have found there what it wants, whoever wrote that.
    const added = pushed.filter(({ path }) => !before.has(path)).map(({ path }) => at(path));
    for (const path of added) path.isOurs ||= isOwn(path, path.versions.at(-1));
  };
  const noteWanted = ({ key, bodies, preserves }: Declared, all: Map<string, string>): void => {
    const now = bodies();
    for (const [path, body] of now) {
      all.set(path, `${all.get(path) ?? ""} ${key} ${body}`);
      if (body !== undefined) at(path).bodies.add(body);
    }
    // Also what it pushed to before.
    if (preserves) for (const path of [...now.keys(), ...(held.get(key) ?? [])]) at(path).isPreserved = true;
  };
  const wanted = (): void => {
    const all = new Map<string, string>();
    const declared = declaredIn(setting);
    for (const one of declared) known.set(one.id, { ...one, preserves: false });
    // keyferry may learn late that an object is gone, and follows its Secrets until then.
    for (const one of [...known.values(), ...declared]) noteWanted(one, all);
    for (const path of new Set([...paths.keys(), ...all.keys()])) {
      const one = at(path);
      if ((all.get(path) ?? "") !== one.wanted) one.causes += 1;
      one.wanted = all.get(path) ?? "";
    }
  };
  return {
    watch: (store) => ({
      ...store,
      async record(lease, state, when) {
        const outcome = await store.record(lease, state, when);
        if (outcome === "recorded") onState(lease.key, state.pushed);
        return outcome;
      },
      async settle(lease, settlement) {
        const outcome = await store.settle(lease, settlement);
        if (outcome !== "lost") onState(lease.key, settlement.state.pushed);
        return outcome;
      },
    }),
    wanted,
    faultsAhead: ({ of, fault, times }) => void faults.push({ of, fault: faultOf(fault), left: times }),
    calm: () => void faults.splice(0),
    newest(path) {
      const newest = paths.get(path)?.versions.at(-1);
      return newest?.isLive ? newest : undefined;
    },
    paths: () => [...paths.keys()],
    isPreserved: (path) => paths.get(path)?.isPreserved === true,
    writes: () => [...paths.values()].reduce((sum, { writes }) => sum + writes, 0),
  };
}

/** What is written there next begins anew. */
function letGo(path: Path): void {
  path.isOurs = false;
  path.lastWrite.clear();
}

function fresh(): Path {
  return {
    ...{ versions: [], isOurs: false, causes: 0, writes: 0, bodies: new Set<string>(), wanted: "" },
    ...{ lastWrite: new Map<SyncKey | undefined, number>(), isPreserved: false },
  };
}

/** Each of its fields was wanted once. */
function isMadeOf(text: string, bodies: ReadonlySet<string>): boolean {
  const fields = (JSON.parse(text) as readonly unknown[]).map((field) => JSON.stringify(field));
  return fields.every((field) => [...bodies].some((body) => body.includes(field)));
}

function requestKind({ method, path }: Question): KvRequest | undefined {
  if (/^auth\/.+\/login$/.test(path)) return "login";
  if (!path.startsWith("kv/")) return undefined;
  if (method === "GET") return "read";
  return method === "DELETE" || path.startsWith("kv/delete/") ? "remove" : "write";
}
