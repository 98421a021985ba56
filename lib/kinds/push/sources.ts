import { fieldOf, type PushEntry } from "../../declarations/push/entries.ts";
import { joinBodies } from "../../destinations/vault/bodies.ts";
import { SyncError } from "../../errors.ts";
import { type Missing, SourceMissing } from "../../failures/source-missing.ts";
import { partsOf } from "../../keys.ts";
import type { Place, Pushed } from "../../ports/rows.ts";
import type { SeenSecret } from "../../ports/secrets.ts";
import type { SecretData, SecretValue } from "../../secret-value.ts";
import { parallel } from "../../util/parallel.ts";
import type { ForeseeInput } from "../kind.ts";
import { type ResolvedPush, sourcesOf } from "./resolve.ts";

/** Secrets that are read at the same time, for one row. */
const AT_ONCE = 4;

/** The maximum number of keys in a message. */
const MAX_NAMED = 20;

export interface Taken {
  readonly data: SecretData;
  /** The resourceVersion of each Secret. */
  readonly versions: Readonly<Record<string, string>>;
}

type Sources = ReadonlyMap<string, SeenSecret>;

/**
 * What a declaration takes from its Secrets, one body for each object. Throws SOURCE_MISSING with every Secret and key
 * that is missing, and SECRET_IS_SYNCED for what another program copied into the cluster.
 */
export async function takenFrom(run: ForeseeInput<ResolvedPush>): Promise<Taken> {
  const sources = await readSources(run);
  await mustBeOriginals(run, sources);
  const { namespace } = partsOf(run.row.key);
  const missing: Missing[] = [];
  const bodies = new Map<string, SecretData>();
  for (const { below = "", entries } of run.resolved.declaration.objects) {
    missing.push(...missingIn(entries, sources, namespace));
    const present = entries.filter(({ secret }) => sources.has(secret));
    if (present.length > 0) bodies.set(below, bodyOf(present, sources, namespace));
  }
  if (missing.length > 0) throw new SourceMissing(missing);
  mustBeRecordable(bodies);
  return { data: joinBodies(bodies), versions: versionsOf(sources) };
}

/** The names of all fields of a declaration, in bytes: a row records them, and an item of DynamoDB has 400 KB. */
const MAX_NAMES_BYTES = 64 * 1024;

/** Of one field in the table, beside its name: quotes, a comma and a suffix. */
const FIELD_BYTES = 8;

/** Throws SECRET_TOO_LARGE when a row could not record what was written. */
function mustBeRecordable(bodies: ReadonlyMap<string, SecretData>): void {
  const names = [...bodies.values()].flatMap((body) => [...body.keys()]);
  const bytes = names.reduce((sum, name) => sum + Buffer.byteLength(name) + FIELD_BYTES, 0);
  if (bytes <= MAX_NAMES_BYTES) return;
  const message = `nothing is pushed: the names of ${names.length} fields are too long together, ${bytes} bytes of at most ${MAX_NAMES_BYTES}: push fewer keys, or shorten the prefix`;
  throw new SyncError("SECRET_TOO_LARGE", message);
}

function versionsOf(sources: Sources): Readonly<Record<string, string>> {
  return Object.fromEntries([...sources].map(([name, { resourceVersion }]) => [name, resourceVersion]));
}

function missingIn(entries: readonly PushEntry[], sources: Sources, namespace: string): readonly Missing[] {
  return entries.flatMap(({ secret, keys = [], optional }): readonly Missing[] => {
    const found = sources.get(secret);
    const text = `Secret ${namespace}/${secret} does not exist`;
    if (found === undefined) return optional ? [] : [{ secret, text }];
    const absent = keys.filter((key) => !found.data.has(key));
    const has = `(it has ${keysOf(found)})`;
    return absent.map((key) => ({ secret, key, text: `Secret ${namespace}/${secret} has no key ${key} ${has}` }));
  });
}

/** Of several Secrets of which all keys are taken, one would overwrite the other. Throws SECRET_REFUSED. */
function bodyOf(entries: readonly PushEntry[], sources: Sources, namespace: string): SecretData {
  const body = new Map<string, SecretValue>();
  const from = new Map<string, string>();
  const twice: string[] = [];
  for (const entry of entries) {
    for (const [field, value] of taken(entry, sources)) {
      const before = from.get(field);
      if (before !== undefined && twice.length < MAX_NAMED)
        twice.push(`Secrets ${namespace}/${before} and ${namespace}/${entry.secret} both have ${field}`);
      from.set(field, entry.secret);
      body.set(field, value);
    }
  }
  if (twice.length === 0) return body;
  const message = `nothing is pushed: ${twice.join("; ")}: add a prefix, or name the keys`;
  throw new SyncError("SECRET_REFUSED", message);
}

/** The keys of one Secret, as they are called in Vault. */
function taken(entry: PushEntry, sources: Sources): readonly (readonly [string, SecretValue])[] {
  const { secret, keys } = entry;
  const data = sources.get(secret)?.data ?? new Map<string, SecretValue>();
  const wanted = keys === undefined ? undefined : new Set(keys);
  return [...data].flatMap(([key, value]) =>
    (wanted?.has(key) ?? true) ? [[fieldOf(entry, key), value] as const] : [],
  );
}

function keysOf({ data }: SeenSecret): string {
  const names = [...data.keys()].sort();
  if (names.length === 0) return "none";
  const left = names.length - MAX_NAMED;
  return `${names.slice(0, MAX_NAMED).join(", ")}${left > 0 ? ` and ${left} more` : ""}`;
}

async function readSources({ resolved, source }: ForeseeInput<ResolvedPush>): Promise<Sources> {
  const found = new Map<string, SeenSecret>();
  const read = async (name: string): Promise<void> => {
    const seen = await source(name);
    if (seen !== undefined && !seen.deleting) found.set(name, seen);
  };
  await parallel(sourcesOf(resolved.declaration), read, AT_ONCE);
  return found;
}

/** Labels and owners by which programs mark what they copied from elsewhere. */
const MARKS: readonly (readonly [label: string, value: string | undefined])[] = [
  ["app.kubernetes.io/managed-by", "hashicorp-vso"],
  ["secrets.hashicorp.com/vso-ownerRefUID", undefined],
  ["reconcile.external-secrets.io/managed", "true"],
  ["reconcile.external-secrets.io/created-by", undefined],
];
const OWNERS: readonly string[] = ["secrets.hashicorp.com/", "external-secrets.io/", "generators.external-secrets.io/"];

/** Whether another program, or keyferry, copied it into the cluster. */
export function isSynced({
  labels,
  ownerReferences,
  managed,
}: Pick<SeenSecret, "labels" | "ownerReferences" | "managed">): boolean {
  if (managed.ours || managed.vso) return true;
  if (MARKS.some(([label, value]) => labels[label] !== undefined && (value ?? labels[label]) === labels[label]))
    return true;
  return ownerReferences.some(({ apiVersion }) => OWNERS.some((group) => String(apiVersion).startsWith(group)));
}

/** What lifts the rule, by where the path is declared. */
const SYNCED_BY = {
  "vault-sync.io/path": 'keyferry.dev/push-synced: "true"',
  "spec.destination.path": "spec.pushSynced: true",
} as const;

/** Every loop has a Secret that came out of a Vault. Such a one is pushed only to paths that no sync reads. */
async function mustBeOriginals(run: ForeseeInput<ResolvedPush>, sources: Sources): Promise<void> {
  const { row, resolved, isRead } = run;
  const { namespace } = partsOf(row.key);
  const synced = [...sources].filter(([, secret]) => isSynced(secret)).map(([name]) => `${namespace}/${name}`);
  if (synced.length === 0) return;
  const names = `Secret ${synced.sort().join(", ")}`;
  if (!resolved.declaration.synced) {
    const message = `${names} was copied into the cluster by another program, so that a push could go round in a loop: push the original, or set ${SYNCED_BY[resolved.declaration.field]}`;
    throw new SyncError("SECRET_IS_SYNCED", message);
  }
  for (const { pushed } of resolved.located ?? []) {
    if (!(await isReadAnyWay(isRead, pushed))) continue;
    const message = `${names} was copied into the cluster, and syncs read ${pushed.mount}/${pushed.path}: name a path that no sync reads`;
    throw new SyncError("SECRET_IS_SYNCED", message);
  }
}

/** A sync names a path of kv-v2 below its mount; a VaultDynamicSecret names it as Vault's API does, with `data/`. */
async function isReadAnyWay(isRead: ForeseeInput["isRead"], { vault, mount, path, engine }: Pushed): Promise<boolean> {
  const names = engine === "kv-v2" ? [`${mount}/${path}`, `${mount}/data/${path}`] : [`${mount}/${path}`];
  for (const name of names) {
    const place: Place = { vault, path: name, role: "read" };
    if (await isRead(place)) return true;
  }
  return false;
}
