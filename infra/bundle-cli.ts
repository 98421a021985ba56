// Bundles the command for the npm package: node bin/node24.js infra/bundle-cli.ts [FOLDER]
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { BANNER, ROOT } from "./bundle.ts";
import { withoutGeneratedApis } from "./without-generated-apis.ts";

/** `<folder>/keyferry.mjs` and what it loads when it needs it. Node runs no TypeScript below node_modules. */
export async function bundleCli(folder: string): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  await build({
    absWorkingDir: ROOT,
    entryPoints: { keyferry: "cli/main.ts" },
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    splitting: true,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    minify: true,
    keepNames: true,
    legalComments: "none",
    banner: { js: BANNER },
    plugins: [withoutGeneratedApis],
    logLevel: "warning",
  });
  return join(folder, "keyferry.mjs");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundleCli(process.argv[2] ?? join(ROOT, "dist"));
