import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { ASSUMED, COUNTED, PRICES } from "../../infra/cost/counted.ts";
import { costOf, operationsOf } from "../../infra/cost/model.ts";
import { ALARMS, dollars, EXAMPLES, withTables } from "../../infra/cost/tables.ts";
import { MAX_PASSES } from "../../lib/aws/discovery-queue.ts";
import { ENTRIES } from "../../lib/aws/send-batches.ts";
import { HOUR_MS, SECOND_MS } from "../../lib/clock.ts";
import { MAX_KEYS } from "../../lib/schedule/messages.ts";
import { ROOT } from "./pages.ts";

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const close = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) < expected * 1e-9, `${actual}, not ${expected}`);

describe("what it costs", () => {
  it("stands in docs/cost.md as the model has it", () => {
    const page = read("docs/cost.md");
    assert.equal(page, withTables(page), "npm run generate");
  });

  it("is told in the same sums at the top of the page and in the README", () => {
    const total = (name: string): string => {
      const example = EXAMPLES.find((candidate) => candidate.name.startsWith(name)) ?? assert.fail(name);
      return dollars(costOf(example).total);
    };
    const tops = [...read("docs/cost.md").matchAll(/^\| [^|]*(?:declare nothing|`refreshAfter: \w+`) \| (\d+) \|$/gm)];
    assert.deepEqual(
      tops.map(([, sum]) => sum),
      EXAMPLES.map(({ name }) => total(name)),
    );
    const told = /(\d+) USD a month at rest, (\d+) for 500 syncs/.exec(read("README.md").replaceAll(/\s+/g, " "));
    assert.deepEqual(told?.slice(1), [total("10 clusters"), total("500 syncs, 10 clusters, 1h")]);
  });

  it("calculates with the sizes that the code has", () => {
    const { keysPerMessage, messagesPerRequest, passesPerMessage: looksPerMessage } = COUNTED.sizes;
    assert.deepEqual([keysPerMessage, messagesPerRequest, looksPerMessage], [MAX_KEYS, ENTRIES, MAX_PASSES]);
    const { functions } = parse(read("serverless.yml"), { logLevel: "error" }) as {
      functions: Record<"tick" | "discover" | "reconcile", { memorySize: number }>;
    };
    const { tick, discover, reconcile } = functions;
    assert.deepEqual(
      [tick, discover, reconcile].map(({ memorySize }) => memorySize / 1_024),
      [ASSUMED.tick.gb, ASSUMED.pass.gb, ASSUMED.message.gb],
    );
    const alarms = read("infra/alarms.yml") + read("infra/events/vault-audit.yml");
    assert.equal(alarms.match(/Type: AWS::CloudWatch::Alarm/g)?.length, ALARMS);
  });

  it("is, for a fleet at rest, ticks and watch passes", () => {
    const workload = { clusters: 10, syncs: 0, refreshAfterMs: HOUR_MS, alarms: 15 };
    const did = operationsOf(workload);
    assert.equal(did.invocations, 2 * 43_200);
    assert.equal(did.writeUnits, 43_200 * (4 + 10 * 3));
    // 7 of a tick, 1 more for rows of more than 5 clusters, and 10 watch passes.
    assert.equal(did.readUnits, 43_200 * (7 + 1 + 10));
    assert.equal(did.gbSeconds, 43_200 * (0.25 + 7 * 0.5));
    close(costOf(workload).lambda, did.gbSeconds * PRICES.lambdaGbSecond + did.invocations * PRICES.lambdaRequest);
  });

  it("has one message for each second with a refresh slot, and more where more than 25 keys meet", () => {
    const messages = (syncs: number, refreshAfterMs: number): number =>
      operationsOf({ clusters: 1, syncs, refreshAfterMs, alarms: ALARMS }).messages;
    close(messages(1, 30 * SECOND_MS), 2_592_000 * (1 - Math.exp(-1 / 27)));
    const seconds = messages(27 * 10, 30 * SECOND_MS) / 2_592_000;
    assert.ok(seconds > 0.999 && seconds < 1.001, String(seconds));
    const many = messages(27 * 2_500, 30 * SECOND_MS) / 2_592_000;
    assert.ok(many > 100 && many < 101, String(many));
  });

  it("writes nothing for refreshes that find nothing new", () => {
    const writes = (refreshAfterMs: number): number =>
      operationsOf({ clusters: 10, syncs: 500, refreshAfterMs, alarms: 15 }).writeUnits;
    assert.equal(writes(30 * SECOND_MS), writes(HOUR_MS));
  });
});
