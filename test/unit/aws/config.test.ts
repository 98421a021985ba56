import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { readConfig, VARIABLE_NAMES } from "../../../functions/wiring/config.ts";
import { InputError } from "../../../lib/errors.ts";

const QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012/queue";
const ENV = {
  KEYFERRY_STACK: "keyferry-prod",
  KEYFERRY_TABLE: "leases",
  KEYFERRY_FLEET: "s3://bucket/fleet.yaml",
  KEYFERRY_INSTALLATION: "0b1c",
  KEYFERRY_DIGEST_KEY_PARAMETER: "/keyferry-prod/digest-key",
  KEYFERRY_TOKEN_KEY_PARAMETER: "/keyferry-prod/token-key",
  KEYFERRY_KMS_KEY: "arn:aws:kms:eu-central-1:123456789012:key/k",
  KEYFERRY_RENEW_QUEUE: QUEUE,
  KEYFERRY_RENEW_DEAD_LETTERS: QUEUE,
  KEYFERRY_NOW_QUEUE: QUEUE,
  KEYFERRY_NOW_DEAD_LETTERS: QUEUE,
  KEYFERRY_REFRESH_QUEUE: QUEUE,
  KEYFERRY_REFRESH_DEAD_LETTERS: QUEUE,
  KEYFERRY_DISCOVERY_QUEUE: QUEUE,
  KEYFERRY_DISCOVERY_DEAD_LETTERS: QUEUE,
  KEYFERRY_VAULT_AUDIT_DEAD_LETTERS: QUEUE,
};

function messageOf(env: Readonly<Record<string, string>>): string {
  try {
    readConfig(env);
  } catch (error) {
    assert.ok(error instanceof InputError);
    return error.message;
  }
  return assert.fail("it is valid");
}

describe("the configuration of functions", () => {
  it("is frozen, trimmed, and has defaults for what may be left out", () => {
    const config = readConfig({ ...ENV, KEYFERRY_TABLE: " leases ", KEYFERRY_ACCEPT_MISSING: "a, b,", PATH: "/bin" });
    assert.equal(Object.isFrozen(config), true);
    assert.equal(config.table, "leases");
    assert.deepEqual(config.acceptMissing, ["a", "b"]);
    assert.deepEqual([config.logLevel, config.refreshConcurrency], ["info", 10]);
    assert.deepEqual(config.metrics, { byCluster: false });
    // Renewals 5, now 10, refreshes 10: so many processes share the budget of a Vault.
    assert.equal(config.reconcileConcurrency, 25);
  });

  it("tells every problem in one message", () => {
    const { KEYFERRY_TABLE: _, ...rest } = ENV;
    const message = messageOf({
      ...rest,
      KEYFERRY_FLEET: "s3://",
      KEYFERRY_LOG_LEVEL: "loud",
      KEYFERRY_NOW_QUEUE: "now",
      KEYFERRY_REFRESH_CONCURRENCY: "many",
    });
    assert.equal(
      message,
      [
        "the function's environment is not valid:",
        "  KEYFERRY_TABLE: required",
        "  KEYFERRY_FLEET: must be s3://BUCKET/KEY, or a path in the package",
        "  KEYFERRY_NOW_QUEUE: must be a URL",
        "  KEYFERRY_REFRESH_CONCURRENCY: must be a whole number from 1 to 9999",
        "  KEYFERRY_LOG_LEVEL: must be one of debug, info, warn, error",
      ].join("\n"),
    );
  });

  it("takes a fleet in the package as well", () => {
    assert.equal(readConfig({ ...ENV, KEYFERRY_FLEET: "fleet/fleet.yaml" }).fleet, "fleet/fleet.yaml");
  });

  it("is what serverless.yml declares: nothing is declared and not read, or read and not declared", () => {
    const text = readFileSync(new URL("../../../serverless.yml", import.meta.url), "utf8");
    const { provider } = parse(text, { logLevel: "error" }) as { provider: { environment: object } };
    assert.deepEqual(Object.keys(provider.environment).sort(), [...VARIABLE_NAMES].sort());
  });
});
