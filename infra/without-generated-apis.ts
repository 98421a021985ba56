import { fileURLToPath } from "node:url";
import type { Plugin } from "esbuild";

const CONFIG = fileURLToPath(new URL("../node_modules/@kubernetes/client-node/dist/config.js", import.meta.url));

/**
 * The names that config.js and middleware.js import from client-node's generated half: only makeApiClient uses them,
 * which we never call.
 */
const STUB = `
const left = () => { throw new Error("client-node's generated API classes are not bundled"); };
export const createConfiguration = left, of = left;
export class ServerConfiguration { constructor() { left(); } }
`;

/**
 * We use only KubeConfig of @kubernetes/client-node. Its generated API classes are 17 MB of source, which each start of
 * a bundle would parse.
 */
export const withoutGeneratedApis: Plugin = {
  name: "without-generated-apis",
  setup(build) {
    build.onResolve({ filter: /^@kubernetes\/client-node$/ }, () => ({ path: CONFIG }));
    build.onResolve({ filter: /^\.\/gen\// }, ({ importer }) =>
      importer.includes("client-node") ? { path: "generated", namespace: "left-out" } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: "left-out" }, () => ({ contents: STUB, loader: "js" }));
  },
};
