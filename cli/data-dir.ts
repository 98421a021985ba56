import { randomBytes, randomUUID } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { systemClock } from "../lib/clock.ts";
import { type DigestKey, digestKey } from "../lib/digest.ts";
import { InputError } from "../lib/errors.ts";
import { SEALING_KEY_BYTES, sealingKeys } from "../lib/sealing-keys.ts";
import { lockDataDir } from "../lib/store/sqlite/sqlite-store.ts";

/** The files of a data directory besides the lease table. */
export interface DataDir extends Disposable {
  readonly path: string;
  readonly statePath: string;
  readonly digestKey: DigestKey;
  /** Encrypt Vault tokens: the first key, and former ones; `isNew` when stored tokens can't be read with them. */
  readonly tokenKeys: { readonly keys: readonly Buffer[]; readonly isNew: boolean };
  /** Stored in each cluster, so that two installations notice each other. */
  readonly installation: string;
  /** Files that their group could read or write until now. */
  readonly tightened: readonly string[];
}

const KEY_BYTES = 32;

export function statePathOf(dir: string): string {
  return join(dir, "state.sqlite");
}

/**
 * Locks the directory for this process. Creates it with mode 0700, and in files of mode 0600 the keys of digests and
 * tokens and the installation's id.
 */
export function openDataDir(dir: string): DataDir {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unusable(dir, error);
  }
  const lock = lockDataDir(dir, systemClock);
  try {
    const tightened = GUARDED.filter((file) => isTightened(join(dir, file)));
    return { ...keysOf(dir), tightened, [Symbol.dispose]: () => lock[Symbol.dispose]() };
  } catch (error) {
    lock[Symbol.dispose]();
    throw error instanceof InputError ? error : unusable(dir, error);
  }
}

/** Files that keyferry refuses if others than their owner may read or write them. */
const GUARDED = [
  "tokens.key",
  "injector-ca.json",
  "injector-ended-keys.json",
  "injector-hosts.json",
  "injector-keys.json",
];

/**
 * Takes a file of this process back from its group, which gets it at each mount of a volume with `fsGroup`. Another
 * user's file, and one that everybody may read, stay as they are: a person must decide about them.
 */
function isTightened(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found?.isFile() || found.uid !== process.getuid?.()) return false;
  if ((found.mode & 0o070) === 0 || (found.mode & 0o007) !== 0) return false;
  try {
    chmodSync(path, 0o600);
    return true;
  } catch {
    // On a file system without modes of its own: the file is refused when it is read.
    return false;
  }
}

/** Reads a data directory without creating or locking anything. Undefined when there is none. */
export function peekDataDir(dir: string): Omit<DataDir, keyof Disposable | "tokenKeys" | "tightened"> | undefined {
  const files = [statePathOf(dir), join(dir, "installation"), join(dir, "digest.key")];
  if (!files.every((file) => existsSync(file) && statSync(file).size > 0)) return undefined;
  try {
    const installation = readFileSync(join(dir, "installation"), "utf8").trim();
    const key = readFileSync(join(dir, "digest.key"), "utf8").trim();
    return { path: dir, statePath: statePathOf(dir), digestKey: digestKeyOf(dir, key), installation };
  } catch (error) {
    throw error instanceof InputError ? error : unusable(dir, error);
  }
}

function digestKeyOf(dir: string, text: string): DigestKey {
  const key = Buffer.from(text, "base64");
  if (key.length === KEY_BYTES) return digestKey(key);
  const remedy = "put it back from a copy, or delete it, and keyferry applies each Secret once, with the same data";
  throw new InputError(join(dir, "digest.key"), [`it must hold ${KEY_BYTES} bytes in base64: ${remedy}`]);
}

function keysOf(dir: string): Omit<DataDir, keyof Disposable | "tightened"> {
  const key = digestKeyOf(
    dir,
    readOrMake(join(dir, "digest.key"), () => randomBytes(KEY_BYTES).toString("base64")),
  );
  const installation = readOrMake(join(dir, "installation"), () => randomUUID());
  // SQLite would use the umask's mode; its other files get the mode of this one.
  closeSync(openSync(statePathOf(dir), "a", 0o600));
  const tokenKeys = tokenKeysOf(join(dir, "tokens.key"));
  return { path: dir, statePath: statePathOf(dir), digestKey: key, tokenKeys, installation };
}

/**
 * A lost or broken key is replaced: it costs logins, and issued credentials then live no longer than their tokens. A
 * person must decide about one that others may have read.
 */
function tokenKeysOf(path: string): DataDir["tokenKeys"] {
  const mode = (statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o777;
  if ((mode & 0o077) !== 0) {
    const how = `others than its owner may read or write it (mode ${mode.toString(8)})`;
    throw new InputError(path, [`${how}: set its mode to 600, or delete it, and keyferry logs in to Vault again`]);
  }
  const make = () => randomBytes(SEALING_KEY_BYTES).toString("base64");
  const found = mode === 0 ? undefined : sealingKeys(readFileSync(path, "utf8"));
  if (found !== undefined) return { keys: found, isNew: false };
  rmSync(path, { force: true });
  return { keys: [Buffer.from(readOrMake(path, make), "base64")], isNew: true };
}

function unusable(dir: string, error: unknown): InputError {
  return new InputError(dir, [`it cannot be used as data directory: ${codeOf(error)}`]);
}

/** An empty file counts as missing: its first writing was cut off. */
function readOrMake(path: string, make: () => string): string {
  try {
    const text = readFileSync(path, "utf8").trim();
    if (text !== "") return text;
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  const made = make();
  const next = `${path}.next`;
  rmSync(next, { force: true });
  // On disk before it has its name, so that a full disk or a power cut leaves nothing half-written.
  writeFileSync(next, `${made}\n`, { mode: 0o600, flag: "wx", flush: true });
  renameSync(next, path);
  return made;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}
