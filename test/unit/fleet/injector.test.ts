import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InputError } from "../../../lib/errors.ts";
import { parseFleet } from "../../../lib/fleet/fleet.ts";
import { injectorFields } from "../../../lib/fleet/injector-schema.ts";
import { INJECTOR_DEFAULTS, injectorSettings } from "../../../lib/injector-settings.ts";

const HEAD = "apiVersion: keyferry.dev/v1alpha1\nkind: Fleet\n";
const CLUSTER = "clusters:\n  - name: east\n    connect: {kubeconfig: {path: ./east}}\n";

function complaints(text: string): readonly string[] {
  try {
    parseFleet(`${HEAD}${text}`, "fleet.yaml");
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return error.complaints;
  }
  return [];
}

describe("injector in fleet.yaml", () => {
  it("is set for the fleet, and a cluster's fields come first", () => {
    const fleet = parseFleet(
      `${HEAD}injector: {vaultAddress: "https://vault.example.com", cpuLimit: "1", runAsUser: 7}\n${CLUSTER}    injector: {cpuLimit: "", nativeSidecar: true}\n`,
      "fleet.yaml",
    );
    assert.deepEqual(injectorSettings(fleet.injector, fleet.clusters[0]?.injector), {
      ...INJECTOR_DEFAULTS,
      vaultAddress: "https://vault.example.com",
      runAsUser: 7,
      cpuLimit: "",
      nativeSidecar: true,
    });
  });

  it("is not necessary", () => {
    const fleet = parseFleet(`${HEAD}${CLUSTER}`, "fleet.yaml");
    assert.deepEqual(injectorSettings(fleet.injector, fleet.clusters[0]?.injector), INJECTOR_DEFAULTS);
  });

  it("is set for the clusters of a hub", () => {
    const hub = "hubs:\n  - name: h\n    connect: {kubeconfig: {path: ./h}}\n    argocd: {}\n";
    const fleet = parseFleet(`${HEAD}${hub}    defaults: {injector: {binary: bao}}\n`, "fleet.yaml");
    assert.deepEqual(fleet.hubs[0]?.defaults.injector, { binary: "bao" });
  });

  it("has a field for every setting", () => {
    const settings = Object.keys(INJECTOR_DEFAULTS);
    assert.deepEqual(
      settings.filter((name) => !(name in injectorFields)),
      [],
    );
  });

  it("is checked, with all complaints at once", () => {
    const values = {
      vaultAddress: "vault:8200",
      vaultCaCert: '""',
      proxyAddress: "proxy",
      authMinBackoff: "1d",
      authMaxBackoff: "soon",
      image: '"a b"',
      binary: "consul",
      allowedImages: '"x"',
      nativeSidecar: "perhaps",
      runAsUser: "-1",
      runAsGroup: "1.5",
      seccompProfile: "Unconfined",
      cpuRequest: "lots",
      memoryLimit: "1KB",
      defaultTemplate: "yaml",
      staticSecretRenderInterval: "5",
      maxConnectionsPerHost: "-1",
      leaseRenewalThreshold: "2",
      disableKeepAlives: "[all]",
      imagee: "x",
    };
    const lines = Object.entries(values).map(([name, value]) => `  ${name}: ${value}\n`);
    const found = complaints(`injector:\n${lines.join("")}${CLUSTER}`);
    const named = found.map((line) => /injector\.(\w+)/.exec(line)?.[1]);
    assert.deepEqual(named, Object.keys(values));
    assert.match(found.at(-1) ?? "", /unknown field \(did you mean image\?\)/);
  });
});
