import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MINUTE_MS } from "../../../lib/clock.ts";
import { InputError } from "../../../lib/errors.ts";
import { parseFleet } from "../../../lib/fleet/fleet.ts";
import { namedFiles } from "../../../lib/fleet/named-files.ts";

function fleetOf(...events: readonly string[]): string {
  const vaults = events.map(
    (text, at) => `  - name: v${at}\n    addresses: [https://v${at}.example.com]\n    events:\n${indented(text)}`,
  );
  const clusters = "clusters:\n  - {name: east, connect: {kubeconfig: {path: ./east}}}\n";
  return `apiVersion: keyferry.dev/v1alpha1\nkind: Fleet\nvaults:\n${vaults.join("\n")}\n${clusters}`;
}

const indented = (text: string): string => text.replaceAll(/^/gm, "      ");

function complaints(...events: readonly string[]): readonly string[] {
  try {
    parseFleet(fleetOf(...events), "fleet.yaml");
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return error.complaints;
  }
  return [];
}

describe("the inlets of a Vault", () => {
  it("have defaults", () => {
    const { vaults } = parseFleet(
      fleetOf(
        [
          "http: {listen: '127.0.0.1:9465', bearerFile: ./token}",
          "file: {path: /var/log/vault/audit.log}",
          "tcp: {listen: '10.0.0.1:9466', from: [10.0.0.0/8]}",
          "unix: {path: /run/keyferry.sock}",
          "silentAfter: 10m",
        ].join("\n"),
        [
          "cloudwatchLogs: {logGroup: /vault/audit}",
          "eventBridge: {source: vault.prod}",
          "s3: {bucket: audit}",
          "post: {parameter: /keyferry/post}",
        ].join("\n"),
      ),
      "fleet.yaml",
    );
    assert.deepEqual(vaults[0]?.events, {
      http: { listen: "127.0.0.1:9465", path: "/", bearerFile: "./token" },
      file: { path: "/var/log/vault/audit.log" },
      tcp: { listen: "10.0.0.1:9466", from: ["10.0.0.0/8"] },
      unix: { path: "/run/keyferry.sock", mode: "0600" },
      silentAfterMs: 10 * MINUTE_MS,
    });
    assert.deepEqual(vaults[1]?.events, {
      cloudwatchLogs: { logGroup: "/vault/audit" },
      eventBridge: { source: "vault.prod" },
      s3: { bucket: "audit", prefix: "" },
      post: { parameter: "/keyferry/post" },
    });
  });

  it("are not known to syncs, so that a changed inlet renews none of them", () => {
    const { clusters } = parseFleet(fleetOf("file: {path: /var/log/audit.log}"), "fleet.yaml");
    const [vault] = clusters[0]?.vaults ?? [];
    assert.equal(vault?.name, "v0");
    assert.ok(!("events" in (vault ?? {})));
  });

  it("name their keys as files of the fleet, and the audit file not", () => {
    const text = fleetOf("http: {listen: '127.0.0.1:9465', keyFile: ./post.key}\nfile: {path: ./audit.log}");
    const found = namedFiles(parseFleet(text, "fleet.yaml"));
    assert.deepEqual(
      found.filter(({ fields }) => fields[0]?.startsWith("vaults")).map(({ path, holds }) => [path, holds]),
      [["./post.key", "credentials"]],
    );
  });

  const refused: readonly (readonly [name: string, events: readonly string[], complaint: RegExp])[] = [
    ["a bad address", ["tcp: {listen: 'nowhere'}"], /:7: vaults\[0\]\.events\.tcp\.listen: must be host:port/],
    ["port 0", ["tcp: {listen: '127.0.0.1:0'}"], /listen: must be host:port/],
    ["no credential", ["http: {listen: '127.0.0.1:1'}"], /events\.http: must have one of keyFile and bearerFile/],
    [
      "two credentials",
      ["http: {listen: '127.0.0.1:1', keyFile: a, bearerFile: b}"],
      /events\.http: must have one of keyFile and bearerFile/,
    ],
    [
      "a bearer token beyond loopback",
      ["http: {listen: '10.0.0.1:1', bearerFile: b}"],
      /bearerFile: is for loopback only/,
    ],
    ["a socket for everybody", ["tcp: {listen: '0.0.0.0:1'}"], /events\.tcp: must say from which networks/],
    ["a bad network", ["tcp: {listen: '0.0.0.0:1', from: ['10/8']}"], /from\[0\]: must be a network/],
    ["an unknown inlet", ["fille: {path: a}"], /events\.fille: unknown field \(did you mean file\?\)/],
    ["a short silence", ["silentAfter: 5s"], /silentAfter: must be at least 1m/],
    ["a key in two places", ["post: {parameter: /a, keySecretArn: 'arn:aws:secretsmanager:x'}"], /events\.post: must/],
  ];
  for (const [name, events, complaint] of refused) {
    it(`refuse ${name}, with line and path`, () => assert.match(complaints(...events).join("\n"), complaint));
  }

  const shared: readonly (readonly [name: string, first: string, second: string, field: string])[] = [
    ["a file", "file: {path: /log/a.log}", "file: {path: /log/./a.log}", "file.path"],
    ["a unix socket", "unix: {path: /run/a}", "unix: {path: /run/a}", "unix.path"],
    ["a tcp address", "tcp: {listen: '127.0.0.1:1'}", "tcp: {listen: '127.0.0.1:1'}", "tcp.listen"],
    [
      "an http path",
      "http: {listen: '127.0.0.1:1', keyFile: a}",
      "http: {listen: '127.0.0.1:1', path: /, keyFile: b}",
      "http.listen",
    ],
    [
      "a key of signatures",
      "http: {listen: '127.0.0.1:1', keyFile: a}",
      "http: {listen: '127.0.0.1:1', path: /b, keyFile: ./a}",
      "http.keyFile",
    ],
    ["an address", "http: {listen: '127.0.0.1:1', keyFile: a}", "tcp: {listen: '127.0.0.1:1'}", "tcp.listen"],
    ["a log group", "cloudwatchLogs: {logGroup: a}", "cloudwatchLogs: {logGroup: a}", "cloudwatchLogs.logGroup"],
    ["a source", "eventBridge: {source: a}", "eventBridge: {source: a}", "eventBridge.source"],
    ["objects", "s3: {bucket: abc, prefix: a/}", "s3: {bucket: abc, prefix: a/b/}", "s3"],
    ["a parameter", "post: {parameter: /a}", "post: {parameter: /a}", "post.parameter"],
  ];
  for (const [name, first, second, field] of shared) {
    it(`refuse two Vaults with ${name} in common, with line and path`, () => {
      const found = complaints(first, second);
      assert.equal(found.length, 1);
      assert.ok(found[0]?.startsWith(`fleet.yaml:11: vaults[1].events.${field}`), found[0]);
    });
  }

  it("may share an http address by different paths", () => {
    const one = "http: {listen: '127.0.0.1:1', keyFile: a, path: /a}";
    assert.deepEqual(complaints(one, "http: {listen: '127.0.0.1:1', keyFile: b, path: /b}"), []);
  });

  it("may subscribe to Vault's own events as one of the Vault's identities", () => {
    const subscribe = "subscribe: {identity: own}";
    assert.deepEqual(complaints(subscribe), [
      "fleet.yaml:7: vaults[0].events.subscribe.identity: must be one of this Vault's identities",
    ]);
    const identities = "    identities: [{name: own, method: appRole, roleId: r, secretIdFile: ./id}]\n    events:";
    const { vaults } = parseFleet(fleetOf(subscribe).replace("    events:", identities), "fleet.yaml");
    assert.deepEqual(vaults[0]?.events, { subscribe: { identity: "own", types: "*" } });
    assert.match(
      complaints("subscribe: {identity: own, types: '../raw?x'}")[0] ?? "",
      /subscribe\.types: must be a type of events/,
    );
  });
});
