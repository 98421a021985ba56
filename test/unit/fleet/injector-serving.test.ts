import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InputError } from "../../../lib/errors.ts";
import { parseFleet } from "../../../lib/fleet/fleet.ts";

const connect = { kubeconfig: { path: "one" } };

function fleetOf(injector: object, ofCluster: object = {}): ReturnType<typeof parseFleet> {
  const clusters = [{ name: "one", connect, injector: ofCluster }];
  return parseFleet(JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters, injector }), "f");
}

function complaint(injector: object, ofCluster: object = {}): string {
  try {
    fleetOf(injector, ofCluster);
  } catch (error) {
    assert.ok(error instanceof InputError);
    assert.equal(error.complaints.length, 1, error.message);
    return error.complaints[0] ?? "";
  }
  return assert.fail("it is valid");
}

describe("how fleet.yaml serves the injector", () => {
  it("has a URL as API servers take it", () => {
    fleetOf({ url: "https://keyferry.example.com:8443" });
    fleetOf({ url: "https://abc.lambda-url.eu-central-1.on.aws/" });
    const wrong: readonly [string, RegExp][] = [
      ["http://keyferry.example.com", /injector\.url: must be a URL that begins with https/],
      ["https://user@keyferry.example.com", /must have no user/],
      ["https://keyferry.example.com?a=b", /must have no user, password, query/],
      ["https://keyferry.example.com/mutate", /must have no path: keyferry adds/],
    ];
    for (const [url, says] of wrong) assert.match(complaint({ url }), says);
    assert.match(complaint({}, { url: "https://a/b" }), /clusters\[0\]\.injector\.url: must have no path/);
  });

  it("has hashes of keys, and never a key: one, or two while one is replaced", () => {
    const hash = `sha256:${"0".repeat(64)}`;
    assert.deepEqual(fleetOf({}, { keys: [hash, hash] }).clusters[0]?.injector?.keys?.length, 2);
    assert.match(complaint({}, { keys: ["A".repeat(43)] }), /keys\[0\]: must be sha256: and 64 hex digits/);
    assert.match(complaint({}, { keys: [hash, hash, hash] }), /keys: must be at most 2/);
    assert.doesNotMatch(complaint({}, { keys: ["A".repeat(43)] }), /AAAA/);
  });

  it("has a key for one cluster alone", () => {
    const keys = [`sha256:${"0".repeat(64)}`];
    const clusters = ["one", "two"].map((name) => ({ name, connect, injector: { keys } }));
    assert.throws(
      () => parseFleet(JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters }), "f"),
      /clusters\[1\]\.injector\.keys\[0\]: is a key of clusters\[0\] already/,
    );
  });

  it("has a certificate and its private key together, and an address with a port", () => {
    fleetOf({ certFile: "a.pem", keyFile: "a.key", caFile: "ca.pem", listen: "0.0.0.0:8443" });
    assert.match(complaint({ certFile: "a.pem" }), /injector\.certFile: needs keyFile beside it/);
    assert.match(complaint({ keyFile: "a.key" }), /injector\.keyFile: needs certFile beside it/);
    assert.match(complaint({ listen: "8443" }), /injector\.listen: must be host:port/);
  });

  it("has a registration by keyferry at a function URL only with a key that fleet.yaml knows", () => {
    const url = "https://abc.lambda-url.eu-central-1.on.aws";
    const says = /clusters\[0\]\.injector\.manage: needs managedKeyFile of a cluster with a function URL/;
    const keys = [`sha256:${"0".repeat(64)}`];
    fleetOf({ url, manage: true }, { keys, managedKeyFile: "one.key" });
    assert.match(
      complaint({ url, manage: true }, { managedKeyFile: "one.key" }),
      /managedKeyFile: needs keys beside it/,
    );
    assert.match(complaint({ url, manage: true }), says);
    assert.match(complaint({ url }, { manage: true }), says);
    assert.match(complaint({ manage: true }, { url }), says);
    fleetOf({ url, manage: true }, { manage: false });
    fleetOf({ url, manage: true }, { url: "https://keyferry.example.com:8443" });
  });

  it("says for each cluster who registers the webhook: its own word, else the fleet's", () => {
    const manage = (injector: object, ofCluster: object): unknown =>
      fleetOf(injector, ofCluster).clusters[0]?.injector?.manage;
    assert.deepEqual(
      [
        manage({}, {}),
        manage({ manage: true }, {}),
        manage({ manage: true }, { manage: false }),
        manage({}, { manage: true }),
      ],
      [undefined, true, false, true],
    );
  });
});
