import { randomBytes, randomUUID } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DigestKey, digestKey } from "../lib/digest.ts";
import { InputError } from "../lib/errors.ts";
import { lockDataDir } from "../lib/leases/sqlite.ts";

/** What a data directory holds beside the lease table. */
export interface DataDir extends Disposable {
  readonly path: string;
  readonly statePath: string;
  readonly digestKey: DigestKey;
  /** Stored in each cluster, so that two installations notice each other. */
  readonly installation: string;
}

const KEY_BYTES = 32;

export function statePathOf(dir: string): string {
  return join(dir, "state.sqlite");
}

/** Takes the directory for this process alone; makes it with mode 0700 and, in files of mode 0600, the key of its digests and its installation id. */
export function openDataDir(dir: string): DataDir {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unusable(dir, error);
  }
  const lock = lockDataDir(dir);
  try {
    return { ...keysOf(dir), [Symbol.dispose]: () => lock[Symbol.dispose]() };
  } catch (error) {
    lock[Symbol.dispose]();
    throw error instanceof InputError ? error : unusable(dir, error);
  }
}

function keysOf(dir: string): Omit<DataDir, keyof Disposable> {
  const key = Buffer.from(
    readOrMake(join(dir, "digest.key"), () => randomBytes(KEY_BYTES).toString("base64")),
    "base64",
  );
  if (key.length !== KEY_BYTES)
    throw new InputError(join(dir, "digest.key"), [`it must hold ${KEY_BYTES} bytes in base64`]);
  const installation = readOrMake(join(dir, "installation"), () => randomUUID());
  // SQLite would take the umask's mode; what it makes beside the file takes the file's.
  closeSync(openSync(statePathOf(dir), "a", 0o600));
  return { path: dir, statePath: statePathOf(dir), digestKey: digestKey(key), installation };
}

function unusable(dir: string, error: unknown): InputError {
  return new InputError(dir, [`it can't be used as data directory: ${codeOf(error)}`]);
}

function readOrMake(path: string, make: () => string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  const made = make();
  writeFileSync(path, `${made}\n`, { mode: 0o600, flag: "wx" });
  return made;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}
