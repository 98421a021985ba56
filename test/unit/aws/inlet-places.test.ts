import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { InletPlace } from "../../../lib/aws/inlet-envelopes.ts";
import { placeText, vaultAt } from "../../../lib/aws/inlet-places.ts";

const VAULTS = [
  { name: "quiet" },
  {
    name: "main",
    events: {
      cloudwatchLogs: { logGroup: "/vault/main" },
      eventBridge: { source: "vault.main" },
      s3: { bucket: "logs", prefix: "vault/main/" },
      post: { parameter: "/keyferry-prod/post/main" },
    },
  },
  { name: "other", events: { cloudwatchLogs: { logGroup: "/vault/main2" }, s3: { bucket: "logs2", prefix: "" } } },
];

const nameAt = (place: InletPlace) => vaultAt(VAULTS, place)?.name;

describe("an inlet on AWS", () => {
  it("belongs to the Vault that names its log group, source, objects or path, and to no other", () => {
    assert.equal(nameAt({ by: "logGroup", logGroup: "/vault/main" }), "main");
    assert.equal(nameAt({ by: "logGroup", logGroup: "/vault/main2" }), "other");
    assert.equal(nameAt({ by: "source", source: "vault.main" }), "main");
    assert.equal(nameAt({ by: "object", bucket: "logs", key: "vault/main/2030/a.gz" }), "main");
    assert.equal(nameAt({ by: "object", bucket: "logs2", key: "anything" }), "other");
    assert.equal(nameAt({ by: "path", path: "/main" }), "main");
  });

  it("belongs to none when no Vault names it", () => {
    const places: readonly InletPlace[] = [
      { by: "logGroup", logGroup: "/vault" },
      { by: "source", source: "vault.main.x" },
      { by: "object", bucket: "logs", key: "vault/mainly" },
      { by: "object", bucket: "log", key: "vault/main/a" },
      { by: "path", path: "/other" },
      { by: "path", path: "/main/" },
      { by: "path", path: "/quiet" },
    ];
    for (const place of places) assert.equal(nameAt(place), undefined, JSON.stringify(place));
  });

  it("is named in the log as in fleet.yaml, without the key of an object", () => {
    assert.equal(placeText({ by: "logGroup", logGroup: "/vault" }), "cloudwatchLogs /vault");
    assert.equal(placeText({ by: "source", source: "vault.x" }), "eventBridge vault.x");
    assert.equal(placeText({ by: "object", bucket: "logs", key: "k" }), "s3 logs");
    assert.equal(placeText({ by: "path", path: "/x" }), "post");
  });
});
