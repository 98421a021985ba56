import { randomBytes } from "node:crypto";
import { readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { InputError } from "../../lib/errors.ts";
import { parseFleet } from "../../lib/fleet/fleet.ts";
import { readFleet } from "../../lib/fleet/read-fleet.ts";
import { KEY_BYTES, keyHash, keyOf, MAX_KEYS } from "../../lib/injector-keys.ts";
import { codeOf } from "../../lib/util/error-code.ts";
import { print, say } from "../output.ts";
import { withInjectorKey } from "./key-text.ts";
import { clusterOf } from "./places.ts";

export interface KeyFlags {
  readonly fleet: string;
  readonly write: boolean;
}

/** Makes a key. Prints it once, on stdout, and its hash for fleet.yaml on stderr. */
export async function keyCommand(name: string, flags: KeyFlags): Promise<number> {
  const { fleet } = await readFleet(flags.fleet);
  const known = clusterOf(fleet, name, flags.fleet).injector?.keys ?? [];
  if (known.length >= MAX_KEYS) {
    throw new InputError("injector", [
      `cluster ${name} has two keys in ${flags.fleet} already, and its API server uses one of them: register the newest one, remove the other hash, and try again`,
    ]);
  }
  const key = keyOf(randomBytes(KEY_BYTES));
  // The newest first; the one before stays valid until the registration has the new one.
  const keys = [keyHash(key), ...known];
  if (flags.write) await writeKey(flags.fleet, name, keyHash(key));
  else say(`Add the hash to ${flags.fleet}, below cluster ${name}:\n\ninjector:\n  keys: ${JSON.stringify(keys)}\n`);
  if (known.length > 0) {
    say(
      "The key before it stays valid. Register the new one (keyferry injector manifests), and then remove the second hash.",
    );
  }
  say("This is the key. It is stored nowhere: keep it in a file for keyferry injector manifests --key-file.");
  print(`${key}\n`);
  return 0;
}

/** Adds a key to one cluster, and leaves all else in the file as it is, comments too. */
async function writeKey(path: string, name: string, hash: string): Promise<void> {
  const before = await readFile(path, "utf8");
  const text = withInjectorKey(before, name, hash);
  const after = text === undefined ? undefined : keysIfValid(text, path);
  // An anchor may stand for the injector of other clusters too.
  const others = [...keysOf(before, path)].filter(([other]) => other !== name);
  const isAlone = others.every(([other, keys]) => isDeepStrictEqual(after?.get(other), keys));
  if (text === undefined || after?.get(name)?.[0] !== hash || !isAlone) {
    const remedy = "write its injector out, with a value and without an alias or anchor, or leave out --write";
    throw new InputError(path, [`the key of cluster ${name} can't be written alone: ${remedy}`]);
  }
  await replaceFile(path, text);
  say(`${path}: cluster ${name} has the hash now`);
}

/** Undefined where clusters would share a key. */
function keysIfValid(text: string, path: string): ReturnType<typeof keysOf> | undefined {
  try {
    return keysOf(text, path);
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

function keysOf(text: string, path: string): ReadonlyMap<string, readonly string[]> {
  return new Map(parseFleet(text, path).clusters.map(({ name, injector }) => [name, injector?.keys ?? []]));
}

/** As a whole: keyferry run may read the file at any time. Where the path is a link, it stays one. */
async function replaceFile(path: string, text: string): Promise<void> {
  const target = await realpath(path);
  const partial = `${target}.${process.pid}.partial`;
  const { mode } = await stat(target);
  try {
    await writeFile(partial, text, { mode: mode & 0o777, flag: "wx" });
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { force: true });
    throw new InputError(path, [`it can't be replaced (${codeOf(error) ?? "unknown"}): leave out --write`]);
  }
}
