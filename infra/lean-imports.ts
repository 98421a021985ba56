import { createRequire } from "node:module";
import type { Plugin, PluginBuild } from "esbuild";

const require = createRequire(import.meta.url);

/**
 * An `import` of node:http reads all its exports, and some load Node's own copy of undici: 13 MiB and 20 ms. Node's
 * HTTP/2 takes 11 MiB, although our clients and servers use HTTP/1.1. So both are loaded member by member.
 */
const BY_MEMBER = ["http", "https", "http2"];

/** `require` calls no getter, and importers of such a module read only the members that they name. */
function byMember(name: string): string {
  const members = Object.keys(require(`node:${name}`)).map((member) => JSON.stringify(member));
  return `
const load = () => process.getBuiltinModule("node:${name}");
for (const member of [${members}]) Object.defineProperty(exports, member, { enumerable: true, get: () => load()[member] });`;
}

/** Unused parts of packages: the importing package, the import, and its replacement. */
const UNREACHED: readonly { readonly by: RegExp; readonly asks: RegExp; readonly gets: string }[] = [
  // zod's default is English; its other fifty languages are never used.
  { by: /\/zod\//, asks: /\/locales\/index\.js$/, gets: "export {};" },
  // node-vault gets our own transport (lib/vault/connection.ts).
  { by: /\/node-vault\//, asks: /^axios$/, gets: unreached("axios") },
  // ALPN offers only HTTP/1.1, to clusters and Vaults.
  { by: /\/undici\/lib\/dispatcher\//, asks: /^\.\/client-h2\.js$/, gets: unreached("undici's HTTP/2") },
  // Metrics of Node itself, of process clusters, and for pushing: unused.
  { by: /\/prom-client\/index\.js$/, asks: /^\.\/lib\/(defaultMetrics|pushgateway|cluster)$/, gets: "" },
];

function unreached(what: string): string {
  return `module.exports = () => { throw new Error("${what} is not bundled"); };`;
}

/** Only undici's connections: its index also loads fetch, WebSocket, caches and mocks. */
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

/** Subscriptions to Vault's events have undici's WebSocket besides, which loads its fetch. */
const SOCKETS = 'module.exports = require("undici/lib/web/websocket/websocket.js");';
const USES_SOCKETS = /\/lib\/vault\/event-socket\.ts$/;

/** Removes unused parts from bundles, because they cost time at each start and memory. */
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
    build.onResolve({ filter: /^undici$/ }, ({ importer }) => ({
      path: USES_SOCKETS.test(importer) ? "sockets" : "undici",
      namespace: "connections",
    }));
    build.onLoad({ filter: /.*/, namespace: "connections" }, ({ path }) => ({
      contents: path === "sockets" ? SOCKETS : UNDICI,
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
