import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Bundle, bundleAll } from "../../infra/bundle.ts";

/** What a function must not carry along: it costs memory and start-up, and says that layers leak. */
const FORBIDDEN: Readonly<Record<string, readonly RegExp[]>> = {
  tick: [
    /^lib\/(kubernetes|vault|embedded)\//,
    /^cli\//,
    /node_modules\/(@kubernetes|node-vault|undici|pino|prom-client)\//,
  ],
  // Vault's client is in it for clusters whose token or kubeconfig is in a Vault, and loaded by the first of them.
  discover: [/^lib\/embedded\//, /^cli\//, /node_modules\/(pino|prom-client|commander)\//],
  // It reviews pods, and knows no AWS API, no cluster, no Vault and no schema.
  inject: [
    /^lib\/(kubernetes|vault|embedded|store|fleet|hubs|connect|declarations)\//,
    /^cli\//,
    /node_modules\/(@aws-sdk|@smithy|@kubernetes|@peculiar|node-vault|undici|pino|prom-client|commander|zod|yaml)\//,
  ],
  reconcile: [/^lib\/embedded\//, /^cli\//, /node_modules\/(pino|prom-client|commander|@hono)\//],
  // It finds and nudges rows: it reaches no Vault and no cluster.
  "vault-audit": [
    /^lib\/(kubernetes|vault|embedded|reconcile|kinds|templates)\//,
    /^cli\//,
    /node_modules\/(@kubernetes|node-vault|undici|pino|prom-client|commander)\//,
  ],
};

/** What no bundle has any use for: infra/lean-imports.ts keeps it out. */
const UNREACHED = [
  /node_modules\/zod\/v4\/locales\/(?!en\.js)/,
  /node_modules\/(axios|form-data|mime-db|follow-redirects)\//,
  /node_modules\/undici\/lib\/(mock|cache|interceptor)\//,
  /node_modules\/undici\/lib\/(web\/(fetch\/index|websocket)|dispatcher\/client-h2)/,
];

/** An `import` of these loads all that they can do; lean-imports.ts makes of it a `require` of what is used. */
const NEVER_IMPORTED = /^node:(http|https|http2)$/;

function inputsOf({ output }: Bundle): readonly string[] {
  return Object.entries(output.inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : []));
}

describe("the bundles", () => {
  let folder: string;
  let bundles: readonly Bundle[];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "keyferry-bundles-"));
    bundles = await bundleAll(folder);
  });
  after(() => rm(folder, { recursive: true }));

  it("are one for each function", () =>
    assert.deepEqual(bundles.map(({ name }) => name).sort(), Object.keys(FORBIDDEN).sort()));

  for (const [name, patterns] of Object.entries(FORBIDDEN)) {
    it(`of ${name} has nothing in it of the other half`, async () => {
      const bundle = bundles.find((one) => one.name === name) ?? assert.fail();
      assert.deepEqual(
        inputsOf(bundle).filter((path) => patterns.some((pattern) => pattern.test(path))),
        [],
      );
      assert.notEqual((await readFile(bundle.path)).length, 0);
    });

    it(`of ${name} has nothing in it that is loaded for nobody`, () => {
      const bundle = bundles.find((one) => one.name === name) ?? assert.fail();
      assert.deepEqual(
        inputsOf(bundle).filter((path) => UNREACHED.some((pattern) => pattern.test(path))),
        [],
      );
      const whole = bundle.output.imports.filter(
        ({ kind, path }) => kind === "import-statement" && NEVER_IMPORTED.test(path),
      );
      assert.deepEqual(whole, []);
    });
  }
});
