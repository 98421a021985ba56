import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type PlaceOptions, placeOf } from "../../../../cli/injector/places.ts";
import type { Fleet } from "../../../../lib/fleet/fleet.ts";
import { keyHash, keyOf } from "../../../../lib/injector-keys.ts";

const KEY = keyOf(randomBytes(32));

describe("the place of the webhook for keyferry injector manifests", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "places-"));
    writeFileSync(join(folder, "one.key"), KEY);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function options(injector: object): PlaceOptions {
    const cluster = { name: "one", connect: {}, injector: { keys: [keyHash(KEY)] } };
    const fleet = { clusters: [cluster], vaults: [], hubs: [], injector } as unknown as Fleet;
    const keyFile = join(folder, "one.key");
    const [first] = fleet.clusters;
    const dataDir = join(folder, "data");
    const now = Date.UTC(2030, 0, 1);
    return { fleet, folder, fileName: "fleet.yaml", cluster: first ?? assert.fail(), dataDir, keyFile, now };
  }

  it("says where it made a CA that was not there: keyferry run must use it, too", async () => {
    const own = options({ url: "https://keyferry.example.com:8443", listen: "0.0.0.0:8443" });
    const first = await placeOf(own);
    assert.equal(first.caMadeIn, join(folder, "data"));
    const again = await placeOf(own);
    assert.deepEqual([again.caMadeIn, again.config], [undefined, first.config]);
  });

  it("makes no CA for what API servers trust anyway", async () => {
    const { config, caMadeIn } = await placeOf(options({ url: "https://abc.lambda-url.eu-central-1.on.aws/" }));
    assert.deepEqual([config.caBundle, caMadeIn], [undefined, undefined]);
  });
});
