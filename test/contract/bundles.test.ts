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
  discover: [/^lib\/(vault|embedded)\//, /^cli\//, /node_modules\/(node-vault|pino|prom-client|commander)\//],
  reconcile: [/^lib\/embedded\//, /^cli\//, /node_modules\/(pino|prom-client|commander|@hono)\//],
};

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
      const inputs = Object.values(bundle.metafile.outputs).flatMap(({ inputs: parts }) =>
        Object.entries(parts).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : [])),
      );
      assert.deepEqual(
        inputs.filter((path) => patterns.some((pattern) => pattern.test(path))),
        [],
      );
      assert.notEqual((await readFile(bundle.path)).length, 0);
    });
  }
});
