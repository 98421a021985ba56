import { readFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import { join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Edit, mutatedText } from "./mutated-text.ts";

/** What is loaded anew for the run that is under way; everything else stays as it was loaded once. */
export interface Fresh {
  /** Tells this run's copies of modules from those of others, also in stack traces. */
  readonly tag: string;
  /** Files from the root; without them all. */
  readonly files?: ReadonlySet<string>;
  readonly mutant?: { readonly file: string; readonly edit: Edit };
}

export interface Modules {
  readonly use: (fresh: Fresh) => void;
  readonly load: (file: string) => Promise<unknown>;
  /** What each file has imported so far. */
  readonly imports: ReadonlyMap<string, ReadonlySet<string>>;
}

const STAND_IN = pathToFileURL(join(import.meta.dirname, "registry.ts")).href;
const NODE_MODULES = `node_modules${sep}`;

/**
 * Hooks into the loader of this process: files below the root are loaded anew where a run demands it, and one of them mutated.
 * The checkout stays as it is, and so does each file, once read, for as long as the process lives.
 */
export function hookModules(root: string): Modules {
  const imports = new Map<string, Set<string>>();
  const stripped = new Map<string, string>();
  let fresh: Fresh = { tag: "none", files: new Set() };

  function fileOf(url: string): string | undefined {
    if (!url.startsWith("file:")) return undefined;
    const file = relative(root, fileURLToPath(url));
    return file.startsWith("..") || file.includes(NODE_MODULES) ? undefined : file;
  }
  function noteImport(importer: string | undefined, file: string): void {
    if (importer === undefined) return;
    const known = imports.get(importer) ?? new Set();
    imports.set(importer, known.add(file));
  }
  function textOf(file: string): string {
    const { mutant } = fresh;
    if (mutant?.file === file) return stripTypeScriptTypes(mutatedText(read(file), mutant.edit));
    const text = stripped.get(file) ?? stripTypeScriptTypes(read(file));
    stripped.set(file, text);
    return text;
  }
  const read = (file: string) => readFileSync(join(root, file), "utf8");

  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === "node:test") return { url: STAND_IN, format: "module-typescript", shortCircuit: true };
      const resolved = next(specifier, context);
      const file = fileOf(resolved.url);
      if (file === undefined) return resolved;
      noteImport(context.parentURL === undefined ? undefined : fileOf(context.parentURL), file);
      if (fresh.files?.has(file) === false) return resolved;
      // Some code asks whether the URL of its module ends with .ts.
      return { ...resolved, url: `${resolved.url.split("?")[0]}?${fresh.tag}.ts` };
    },
    load(url, context, next) {
      const file = fileOf(url);
      if (file === undefined || !file.endsWith(".ts")) return next(url, context);
      return { format: "module", source: textOf(file), shortCircuit: true };
    },
  });
  return {
    use: (next) => {
      fresh = next;
    },
    load: (file) => import(pathToFileURL(join(root, file)).href),
    imports,
  };
}
