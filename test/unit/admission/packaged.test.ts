import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { packageOf } from "../../../cli/injector/served.ts";
import { servedByPackage } from "../../../lib/admission/packaged.ts";
import { parseFleet } from "../../../lib/fleet/fleet.ts";
import { keyHash } from "../../../lib/injector-keys.ts";

const connect = { kubeconfig: { path: "one" } };
const FLEET = parseFleet(
  JSON.stringify({
    apiVersion: "keyferry.dev/v1alpha1",
    kind: "Fleet",
    injector: { url: "https://keyferry.example.com", listen: ":8443", image: "vault:1", vaultAddress: "https://v" },
    clusters: [
      { name: "east", connect, injector: { keys: [keyHash("a"), keyHash("b")], image: "vault:2", manage: false } },
      { name: "west", connect },
    ],
  }),
  "fleet.yaml",
);

describe("the package of the function", () => {
  it("has the clusters with keys, by their hashes, and settings with those of the cluster first", () => {
    const { version, clusters } = packageOf(FLEET);
    assert.deepEqual([version, Object.keys(clusters)], [1, ["east"]]);
    const { keys, settings } = clusters.east ?? assert.fail();
    assert.deepEqual(keys, [keyHash("a"), keyHash("b")]);
    const { image, vaultAddress, runAsUser } = settings as Record<string, unknown>;
    assert.deepEqual([image, vaultAddress, runAsUser], ["vault:2", "https://v", 100]);
    for (const serving of ["url", "listen", "keys", "manage"]) assert.ok(!(serving in (settings as object)), serving);
  });

  it("is read again as it was written", () => {
    const seen: unknown[] = [];
    const served = servedByPackage(JSON.stringify(packageOf(FLEET)), (settings) => {
      seen.push(settings);
      return () => assert.fail();
    });
    assert.equal(served.get("east")?.keys.length, 2);
    assert.equal(served.get("west"), undefined);
    assert.deepEqual(seen, [packageOf(FLEET).clusters.east?.settings]);
  });

  it("stops the function from starting if keyferry did not write it", () => {
    const read = (text: string) => servedByPackage(text, () => () => assert.fail());
    assert.throws(() => read("{"), SyntaxError);
    assert.throws(() => read('{"version":2,"clusters":{}}'), /another version/);
    assert.throws(() => read('{"version":1,"clusters":{"one":{"keys":["plain"],"settings":{}}}}'), /no known form/);
  });
});
