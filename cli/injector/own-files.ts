import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { InputError } from "../../lib/errors.ts";
import { codeOf } from "../../lib/util/error-code.ts";

/** JSON files of a data directory that only its owner may read. */

/** What the file holds; undefined: there is none. Throws an InputError for one that others may read, or that is broken. */
export function readOwn<T>(path: string, isIt: (value: unknown) => value is T): T | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  const mode = found.mode & 0o777;
  if ((mode & 0o077) !== 0) {
    const how = `others than its owner may read or write it (mode ${mode.toString(8)})`;
    throw new InputError(path, [`${how}: set its mode to 600, or delete it, and keyferry makes another one`]);
  }
  const value = parsed(path);
  if (isIt(value)) return value;
  throw new InputError(path, ["it is broken: delete it, and keyferry makes another one"]);
}

function parsed(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw new InputError(path, [`it can't be read (${codeOf(error) ?? "unknown"})`]);
  }
}

/** Replaces the file as a whole. */
export function writeOwn(path: string, value: unknown): void {
  const partial = `${path}.${process.pid}.partial`;
  writeFileSync(partial, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(partial, path);
}

/** Writes the file if there is none. Answers whether it did. */
export function createOwn(path: string, value: unknown): boolean {
  try {
    writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600, flag: "wx", flush: true });
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    rmSync(path, { force: true });
    throw new InputError(path, [`it can't be written (${codeOf(error) ?? "unknown"})`]);
  }
}
