import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { besideText, registrationText } from "../../../../cli/injector/check.ts";
import { ownCa } from "../../../../cli/injector/own-ca.ts";
import { knownCa } from "../../../../cli/injector/places.ts";
import { clientConfig, webhookConfiguration } from "../../../../lib/admission/registration.ts";
import { HOUR_MS } from "../../../../lib/clock.ts";
import type { Fleet } from "../../../../lib/fleet/fleet.ts";

const DAY_MS = 24 * HOUR_MS;
const URL = "https://keyferry.example.com:8443";

describe("a vault-k8s beside keyferry, as keyferry injector check tells of it", () => {
  it("comes before keyferry or after it, by its name", () => {
    assert.equal(besideText([]), "none");
    assert.equal(
      besideText(["vault-agent-injector-cfg", "vault-prod-agent-injector-cfg"]),
      "vault-agent-injector-cfg comes before keyferry, vault-prod-agent-injector-cfg comes after keyferry (docs/from-vault-k8s.md)",
    );
  });
});

describe("the registration, as keyferry injector check tells of it", () => {
  let dataDir: string;
  let now: number;

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), "check-"));
    now = Date.UTC(2030, 0, 1);
  });
  afterEach(() => rmSync(dataDir, { recursive: true }));

  const run = async (): Promise<string> => (await ownCa(dataDir).at(["keyferry.example.com"], now)).ca;

  async function text(ca: string | undefined, injector: object = {}): Promise<string> {
    const cluster = { name: "one", connect: {}, injector: { url: URL } };
    const fleet = { clusters: [cluster], vaults: [], hubs: [], injector } as unknown as Fleet;
    const [first] = fleet.clusters;
    const known = await knownCa({ fleet, folder: dataDir, cluster: first ?? assert.fail(), dataDir, now });
    const config = clientConfig({ url: URL, cluster: "one", key: "key", ...(ca === undefined ? {} : { ca }) });
    return registrationText([webhookConfiguration(config)], [], known);
  }

  it("has the CA of the data directory or not, and its successor or not", async () => {
    const first = await run();
    assert.equal(await text(first), "registered at keyferry.example.com:8443");
    assert.match(await text(undefined), /, without the CA of \S+check-\S+: if keyferry run uses that one, apply/);
    now += 800 * DAY_MS;
    const both = await run();
    assert.match(await text(first), /, without the next CA of \S+: apply keyferry injector manifests again before/);
    assert.equal(await text(`${both}\n`), "registered at keyferry.example.com:8443");
  });

  it("says nothing of a CA that is not known here, and makes none", async () => {
    const known = "registered at keyferry.example.com:8443";
    assert.equal(await text("of another data directory", { listen: "0.0.0.0:8443" }), known);
    await run();
    assert.equal(await text(undefined, { certFile: "tls.pem", keyFile: "tls.key" }), known);
    assert.equal(await text("x", { caFile: "none.pem" }), known);
  });
});
