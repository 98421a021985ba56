// Bundles each function into one file: node bin/node24.js infra/bundle.ts [FOLDER] [FLEET OF THE INJECTOR]
import { copyFile, readdir, rename, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build, type Metafile } from "esbuild";
import { leanImports } from "./lean-imports.ts";
import { withoutAsyncHooks } from "./without-async-hooks.ts";
import { withoutGeneratedApis } from "./without-generated-apis.ts";

export const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** CommonJS parts call `require`, which ES modules lack. */
const BANNER = `import { createRequire as makeRequire } from "node:module";const require = makeRequire(import.meta.url);`;

/** Common options of all bundles. */
export const ALIKE = {
  absWorkingDir: ROOT,
  bundle: true,
  platform: "node",
  mainFields: ["module", "main"],
  target: "node24",
  format: "esm",
  minifySyntax: true,
  minifyWhitespace: true,
  // Powertools needs the names of classes, and keeping them beside shortened ones costs a call for each closure.
  minifyIdentifiers: false,
  legalComments: "none",
  banner: { js: BANNER },
  plugins: [leanImports, withoutGeneratedApis, withoutAsyncHooks],
  logLevel: "warning",
} as const satisfies BuildOptions;

/** A bundle and its inputs. */
export interface Bundle {
  readonly name: string;
  readonly path: string;
  readonly output: Metafile["outputs"][string];
}

/** The names of the functions, by their files. */
export async function functionNames(): Promise<readonly string[]> {
  const entries = await readdir(join(ROOT, "functions"), { withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name.replace(/\.ts$/, ""));
}

/** Bundles functions, each with all its imports: `<folder>/<name>.mjs`. What several import is read once. */
export async function bundleFunctions(names: readonly string[], folder: string): Promise<readonly Bundle[]> {
  // Renamed at the end, because two processes may package at the same time.
  const extension = `.mjs.${process.pid}.partial`;
  const { metafile } = await build({
    ...ALIKE,
    entryPoints: names.map((name) => `functions/${name}.ts`),
    outdir: folder,
    outExtension: { ".js": extension },
    metafile: true,
  });
  const bundles: Bundle[] = [];
  for (const [output, made] of Object.entries(metafile.outputs)) {
    const name = basename(output, extension);
    const path = join(folder, `${name}.mjs`);
    await rename(join(ROOT, output), path);
    bundles.push({ name, path, output: made });
  }
  return bundles;
}

/** Bundles one of them. */
export async function bundleFunction(name: string, folder: string): Promise<Bundle> {
  const [bundle] = await bundleFunctions([name], folder);
  if (bundle === undefined) throw new Error(`functions/${name}.ts has no bundle`);
  return bundle;
}

const TEMPLATES = join(ROOT, "lib/templates");

/** Copies the template engine and its thread's program beside a bundle. */
export async function bundleTemplates(folder: string): Promise<void> {
  const worker = `template-worker.mjs.${process.pid}.partial`;
  const engine = `engine.wasm.br.${process.pid}.partial`;
  await build({ ...ALIKE, entryPoints: [join(TEMPLATES, "template-worker.ts")], outfile: join(folder, worker) });
  await copyFile(join(TEMPLATES, "engine.wasm.br"), join(folder, engine));
  for (const partial of [worker, engine]) {
    await rename(join(folder, partial), join(folder, partial.replace(/\.\d+\.partial$/, "")));
  }
}

/** Writes the settings of the injector beside its function: those of a fleet.yaml, or none. */
async function bundleInjector(folder: string, fleet: string | undefined): Promise<void> {
  const path = join(folder, "injector.json");
  const partial = `${path}.${process.pid}.partial`;
  if (fleet === undefined) await writeFile(partial, JSON.stringify({ version: 1, clusters: {} }));
  else await (await import("../cli/injector/package.ts")).packageCommand({ fleet, out: partial });
  await rename(partial, path);
}

export async function bundleAll(folder: string, injectorFleet?: string): Promise<readonly Bundle[]> {
  await bundleTemplates(folder);
  await bundleInjector(folder, injectorFleet);
  return bundleFunctions(await functionNames(), folder);
}

if (import.meta.main) {
  const bundles = await bundleAll(process.argv[2] ?? join(ROOT, "build/functions"), process.argv[3]);
  for (const { name, output } of bundles) {
    process.stderr.write(`${name}: ${Math.round(output.bytes / 1024)} KiB\n`);
  }
}
