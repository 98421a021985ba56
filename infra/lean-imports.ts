import { createRequire } from "node:module";
import type { Plugin, PluginBuild } from "esbuild";

const require = createRequire(import.meta.url);

/**
 * An `import` of node:http reads each of its exports, and some of these load Node's own copy of undici: 13 MiB and 20 ms that nobody
 * uses. Node's HTTP/2 is 11 MiB, for clients and servers that speak HTTP/1.1 here. Both are loaded member by member instead.
 */
const BY_MEMBER = ["http", "https", "http2"];

/** `require` reads no getter, and whoever imports such a module reads only what it names. */
function byMember(name: string): string {
  const members = Object.keys(require(`node:${name}`)).map((member) => JSON.stringify(member));
  return `
const load = () => process.getBuiltinModule("node:${name}");
for (const member of [${members}]) Object.defineProperty(exports, member, { enumerable: true, get: () => load()[member] });`;
}

/** What a package carries along and we never reach: by the importing package, what it asks for, and what it is given instead. */
const UNREACHED: readonly { readonly by: RegExp; readonly asks: RegExp; readonly gets: string }[] = [
  // zod speaks English by itself; the other fifty languages are asked for by name.
  { by: /\/zod\//, asks: /\/locales\/index\.js$/, gets: "export {};" },
  // node-vault is given a transport of ours (lib/vault/connection.ts).
  { by: /\/node-vault\//, asks: /^axios$/, gets: unreached("axios") },
  // ALPN offers HTTP/1.1 alone, to clusters and to Vaults.
  { by: /\/undici\/lib\/dispatcher\//, asks: /^\.\/client-h2\.js$/, gets: unreached("undici's HTTP/2") },
  // Metrics of Node itself, of clusters of processes, and pushed ones: nobody asks for them.
  { by: /\/prom-client\/index\.js$/, asks: /^\.\/lib\/(defaultMetrics|pushgateway|cluster)$/, gets: "" },
];

function unreached(what: string): string {
  return `module.exports = () => { throw new Error("${what} is not bundled"); };`;
}

/** Of undici its connections alone: not its fetch, WebSocket, caches and mocks, which its index loads one and all. */
const UNDICI = `
const Dispatcher = require("undici/lib/dispatcher/dispatcher.js");
const api = require("undici/lib/api/index.js");
Object.assign(Dispatcher.prototype, api);
exports.Dispatcher = Dispatcher;
exports.Agent = require("undici/lib/dispatcher/agent.js");
exports.Pool = require("undici/lib/dispatcher/pool.js");
exports.ProxyAgent = require("undici/lib/dispatcher/proxy-agent.js");
exports.Socks5ProxyAgent = require("undici/lib/dispatcher/socks5-proxy-agent.js");
exports.buildConnector = require("undici/lib/core/connect.js");
`;

/** Bundles without what is loaded for nobody: it costs time at each start, and memory for good. */
export const leanImports: Plugin = {
  name: "lean-imports",
  setup(build) {
    for (const [at, { by, asks }] of UNREACHED.entries()) {
      build.onResolve({ filter: asks }, ({ importer }) =>
        by.test(importer) ? { path: `${at}`, namespace: "unreached" } : undefined,
      );
    }
    build.onLoad({ filter: /.*/, namespace: "unreached" }, ({ path }) => ({
      contents: UNREACHED[Number(path)]?.gets ?? "",
      loader: "js",
    }));
    builtins(build);
    build.onResolve({ filter: /^undici$/ }, () => ({ path: "undici", namespace: "connections" }));
    build.onLoad({ filter: /.*/, namespace: "connections" }, () => ({
      contents: UNDICI,
      loader: "js",
      resolveDir: import.meta.dirname,
    }));
  },
};

function builtins(build: PluginBuild): void {
  const names = new RegExp(`^(node:)?(${BY_MEMBER.join("|")})$`);
  build.onResolve({ filter: names }, ({ path, namespace }) =>
    namespace === "by-member" ? undefined : { path: path.replace(/^node:/, ""), namespace: "by-member" },
  );
  build.onLoad({ filter: /.*/, namespace: "by-member" }, ({ path }) => ({ contents: byMember(path), loader: "js" }));
}
