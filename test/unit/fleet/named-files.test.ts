import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseFleet } from "../../../lib/fleet/fleet.ts";
import { FILE_PLACES, namedFiles } from "../../../lib/fleet/named-files.ts";
import { fleetJsonSchema } from "../../../lib/fleet/schema.ts";

const FLEET = {
  apiVersion: "keyferry.dev/v1alpha1",
  kind: "Fleet",
  vaults: [{ name: "main", addresses: ["https://vault.example.com"], caFile: "ca.pem" }],
  clusters: [
    { name: "a", labels: { caFile: "a-label" }, connect: { kubeconfig: { path: "all", context: "a" } } },
    { name: "b", connect: { kubeconfig: { path: "all" } } },
    {
      name: "c",
      connect: { server: { url: "https://c", caFile: "ca.pem", clientCertFile: "c.crt", clientKeyFile: "c.key" } },
    },
    { name: "d", connect: { server: { url: "https://d", tokenFile: "d.token" } } },
  ],
};

describe("the files that a fleet names", () => {
  it("are each listed once, with their fields, and with what they hold", () => {
    const found = namedFiles(parseFleet(JSON.stringify(FLEET), "fleet.yaml"));
    assert.deepEqual(
      found.map(({ path, holds, fields, contexts }) => [path, holds, fields, contexts]),
      [
        ["ca.pem", "certificates", ["vaults[0].caFile", "clusters[2].connect.server.caFile"], []],
        [
          "all",
          "kubeconfig",
          ["clusters[0].connect.kubeconfig.path", "clusters[1].connect.kubeconfig.path"],
          ["a", undefined],
        ],
        ["d.token", "credentials", ["clusters[3].connect.server.tokenFile"], []],
        ["c.crt", "certificates", ["clusters[2].connect.server.clientCertFile"], []],
        ["c.key", "credentials", ["clusters[2].connect.server.clientKeyFile"], []],
      ],
    );
  });

  it("include every field that the schema calls relative to this file", () => {
    const described = JSON.stringify(fleetJsonSchema()).match(/Relative to this file\./g);
    assert.equal(FILE_PLACES.length, described?.length);
  });
});
