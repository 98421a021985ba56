import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { BUGS, type Bug } from "./bugs.ts";

const ROOT = new URL("../../../", import.meta.url);

/** The file's text with the fault in it. Throws when the text that it changes is not there exactly once. */
export function withBug(source: string, { file, from, to }: Bug): string {
  if (source.split(from).length !== 2)
    throw new Error(`the text that this bug changes is not in ${file} exactly once: ${from}`);
  return source.replace(from, () => to);
}

/** From now on modules are loaded with this fault in them. */
export function loadWithBug(name: string, bugs: Readonly<Record<string, Bug>> = BUGS): void {
  const bug = bugs[name];
  if (bug === undefined) throw new Error(`no such bug: ${name}. There are: ${Object.keys(bugs).join(", ")}`);
  const file = fileURLToPath(new URL(bug.file, ROOT));
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (!url.startsWith("file:") || fileURLToPath(url) !== file) return loaded;
      return { ...loaded, source: withBug(String(loaded.source), bug) };
    },
  });
}
