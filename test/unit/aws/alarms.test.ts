import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { ROOT } from "../../docs/pages.ts";

interface Alarm {
  readonly Dimensions: readonly unknown[];
  readonly Namespace: string;
  readonly MetricName: string;
  readonly AlarmDescription: string;
}

const alarms = ["infra/alarms.yml", "infra/events/vault-audit.yml"].flatMap((file) => {
  const { Resources } = parse(readFileSync(join(ROOT, file), "utf8"), { logLevel: "error" }) as {
    Resources: Record<string, { readonly Type: string; readonly Properties: Alarm }>;
  };
  const found = Object.values(Resources).filter(({ Type }) => Type === "AWS::CloudWatch::Alarm");
  return found.map(({ Properties }) => Properties);
});

/** Labels that are folded away before CloudWatch sees them: lib/aws/function-metrics.ts. */
const FOLDED = /^\{\s*((cluster|circuit|kind|namespace)(:[^,}]*)?,?\s*)*\}$/;

describe("alarms", () => {
  const sources = globSync("{lib,functions}/**/*.ts", { cwd: ROOT }).map((path) =>
    readFileSync(join(ROOT, path), "utf8"),
  );
  const counts = sources.flatMap((text) => [...text.matchAll(/count\(\s*"(keyferry_\w+)",\s*(\{[^}]*\})/g)]);

  it("watch metrics of ours that are counted, without a label: an alarm adds up one set of labels only", () => {
    const ours = alarms.filter(({ Namespace }) => Namespace === "keyferry").map(({ MetricName }) => MetricName);
    assert.ok(ours.length >= 5);
    for (const metric of ours) {
      const labels = counts.filter(([, name]) => name === metric).map(([, , found]) => found ?? "");
      assert.notEqual(labels.length, 0, `nobody counts ${metric}`);
      for (const label of labels) assert.match(label, FOLDED, metric);
    }
  });

  it("tell of what does not answer, not of work that is suspended beside another controller", () => {
    const about = alarms.filter(({ AlarmDescription }) => /has not answered/.test(AlarmDescription));
    assert.deepEqual(
      about.map(({ MetricName }) => MetricName),
      ["keyferry_circuits_open"],
    );
  });

  it("tell of each queue with work that its oldest message waits for too long", () => {
    const text = JSON.stringify(alarms.filter(({ MetricName }) => MetricName === "ApproximateAgeOfOldestMessage"));
    for (const queue of ["RenewQueue", "NowQueue", "RefreshQueue", "DiscoveryQueue"]) {
      assert.ok(text.includes(`${queue}.QueueName`), queue);
    }
  });

  it("say of each kind of bad input that it came", () => {
    const watched = new Set(alarms.map(({ Namespace, MetricName }) => `${Namespace} ${MetricName}`));
    for (const expected of [
      // A tick that fails: a fleet or table that is missing, of another version, or refuses us.
      "AWS/Lambda Errors",
      // A message that is not ours, or that nobody could finish.
      "AWS/SQS ApproximateNumberOfMessagesVisible",
      "AWS/DynamoDB WriteThrottleEvents",
      "keyferry keyferry_events_refused_total",
      "keyferry keyferry_fleet_unreadable_total",
    ]) {
      assert.ok(watched.has(expected), expected);
    }
  });
});
