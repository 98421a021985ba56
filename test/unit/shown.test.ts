import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { describeSync } from "../../cli/describe-sync.ts";
import { descriptionText } from "../../cli/description-text.ts";
import { planText, planView } from "../../cli/plan-view.ts";
import { table } from "../../cli/table.ts";
import { SyncError } from "../../lib/errors.ts";
import { eventBody } from "../../lib/kubernetes/resource-event.ts";
import { nextReferenceStatus } from "../../lib/origins/reference-status.ts";
import { nextStatus } from "../../lib/origins/status.ts";
import { EMPTY_STATE } from "../../lib/ports/rows.ts";
import { VAULT_STATIC_SECRET } from "../../lib/resource-kinds.ts";
import { jsonLog } from "../../lib/telemetry/log.ts";
import type { JsonObject } from "../../lib/util/json.ts";
import { aDeclared, aRow } from "../builders.ts";

/** What a terminal would obey, and a line that would look like ours. */
const HOSTILE = "\u001b]0;mine\u0007\u001b[2J\u009b2J\u202e\nprod/x  synced";
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const NOW = Date.UTC(2030, 0, 1);
const CLI = new URL("../../cli/", import.meta.url);

function assertLines(text: string, lines: number): void {
  assert.doesNotMatch(text.replaceAll("\n", ""), UNSEEN);
  assert.equal(text.split("\n").length - 1, lines, text);
  assert.match(text, /\\u001b\]0;mine\\u0007/);
}

describe("a name or message of a tenant's choice steers nobody's terminal and no log", () => {
  it("in tables and plans: one line for one row", () => {
    assertLines(table(["SYNC", "ERROR"], [["a", HOSTILE]]), 2);
    const error = new SyncError("SPEC_INVALID", HOSTILE);
    const planned = { key: aRow().key, action: "fail" as const, because: HOSTILE, removes: [], restarts: [], error };
    assertLines(planText(planView([{ name: "east", errors: [error] }], [planned])), 6);
  });

  it("in the description of a sync", () => {
    const rolloutRestartTargets = [{ kind: "Deployment", name: HOSTILE }];
    const declared = aDeclared({ spec: { path: HOSTILE, rolloutRestartTargets } });
    const error = { code: "SPEC_INVALID", message: HOSTILE, since: NOW } as const;
    const row = aRow({ declared, state: { ...EMPTY_STATE, error } });
    const text = descriptionText(
      describeSync({ row, references: new Map(), circuits: [], cluster: undefined, now: NOW }),
      NOW,
    );
    assert.doesNotMatch(text.replaceAll("\n", ""), UNSEEN);
    assert.doesNotMatch(text, /^prod\/x/m);
  });

  it("in conditions and events, which kubectl prints", () => {
    const error = new SyncError("TARGET_MISSING", HOSTILE);
    const rollout = { status: "False", reason: "RolloutRestartTriggeredFailed", message: HOSTILE } as const;
    const about = { kind: VAULT_STATIC_SECRET, generation: 1, now: NOW };
    const statuses: readonly JsonObject[] = [
      nextStatus({}, { ...about, outcome: { kind: "failed", error } }),
      nextStatus({}, { ...about, outcome: { kind: "synced", rollout } }),
      nextReferenceStatus({}, { ...about, kind: "VaultAuth", verdict: { error, merged: false } }),
    ];
    for (const status of statuses) {
      const texts = [status.error, ...(status.conditions as JsonObject[]).map(({ message }) => message)];
      for (const text of texts.filter((one) => one !== undefined)) {
        assert.doesNotMatch(String(text), UNSEEN);
        assert.ok(String(text).length <= 1_024);
      }
    }
    const kind = { group: "g", version: "v1", resource: "r", kind: "K" };
    const ref = { cluster: "east", namespace: "shop", name: "db", kind };
    const body = eventBody(ref, "uid", { type: "Warning", reason: "R", message: HOSTILE.repeat(100) }, NOW);
    assert.doesNotMatch(String(body.message), UNSEEN);
    assert.ok(Buffer.byteLength(String(body.message)) <= 1_024);
  });

  it("in log lines, also for who prints what their JSON stands for", () => {
    const lines: string[] = [];
    const log = jsonLog("info", { write: (line: string) => void lines.push(line) });
    log.warn("rollout-failed", { message: HOSTILE, targets: [HOSTILE], [HOSTILE]: "x".repeat(1_000_000) });
    const [written = "", ...others] = lines;
    assert.equal(others.length, 0);
    const { message, targets } = JSON.parse(written) as { message: string; targets: readonly string[] };
    for (const text of [written.trimEnd(), message, ...targets]) assert.doesNotMatch(text, UNSEEN);
    assert.match(message, /^\\u001b\]0;mine\\u0007/);
    assert.ok(written.length < 3_000);
  });

  it("since nothing in cli writes to a terminal by itself", async () => {
    const names = await readdir(CLI, { recursive: true });
    for (const file of names.filter((name) => name.endsWith(".ts"))) {
      const text = await readFile(new URL(file, CLI), "utf8");
      const isAllowed = file === "output.ts" || !/process\.(stdout|stderr)/.test(text);
      assert.ok(isAllowed, `cli/${file} uses cli/output.ts`);
    }
  });
});
