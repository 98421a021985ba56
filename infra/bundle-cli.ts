// Bundles the command for the npm package: node bin/node24.js infra/bundle-cli.ts [FOLDER]
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { ALIKE, bundleTemplates, ROOT } from "./bundle.ts";

/** `<folder>/keyferry.mjs` and the files that it loads on demand, because Node runs no TypeScript in node_modules. */
export async function bundleCli(folder: string): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  await build({
    ...ALIKE,
    entryPoints: { keyferry: "cli/main.ts" },
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    splitting: true,
  });
  await bundleTemplates(folder);
  return join(folder, "keyferry.mjs");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundleCli(process.argv[2] ?? join(ROOT, "dist"));
