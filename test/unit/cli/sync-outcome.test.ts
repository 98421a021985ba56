import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { askedOf, outcomeOf } from "../../../cli/sync-outcome.ts";
import type { Row, RowState } from "../../../lib/ports/rows.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import type { Circuit } from "../../../lib/ports/store.ts";
import { aKey, aRow } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const key = aKey();
const before = aRow({ key, fence: 7, dueAt: NOW + 60_000 });
const asked = askedOf(before, { key, group: "g", lane: "now", at: NOW });
const settledAt = NOW + 500;

function after(overrides: Partial<Row>, state: Partial<RowState> = {}): Row {
  const { dueAt: _none, ...row } = before;
  return { ...row, state: { ...EMPTY_STATE, settledAt, ...state }, ...overrides };
}

const error = { code: "VAULT_DENIED", message: "no", since: NOW } as const;
const circuit: Circuit = {
  ...{ id: "cluster:east", code: "KUBE_UNREACHABLE", message: "no answer", since: NOW },
  ...{ attempts: 1, fence: 1, probeAt: NOW },
};

const outcome = (row: Row | undefined, circuits: readonly Circuit[] = []) =>
  outcomeOf(asked, row, { cluster: undefined, circuits }, NOW + 1_000);

describe("how a run that was asked for ended", () => {
  it("is not known while nobody took it, or someone works on it", () => {
    assert.equal(outcome(after({ dueAt: NOW })), undefined);
    assert.equal(outcome(after({ fence: 8, leaseUntil: NOW + 90_000, dueAt: NOW + 90_000 })), undefined);
  });

  it("is told once the row was settled under another fence", () => {
    assert.deepEqual(outcome(after({ fence: 8 })), { key, outcome: "synced" });
    const { code, message } = error;
    const failed = outcome(after({ fence: 8, dueAt: NOW + 20_000 }, { error }));
    assert.deepEqual(failed, { key, outcome: "failed", error: { code, message } });
  });

  it("is not that of a run that began earlier: its settle leaves the row due", () => {
    assert.equal(outcome(after({ fence: 8, dueAt: settledAt })), undefined);
    assert.equal(outcome(after({ fence: 8, dueAt: settledAt - 1 })), undefined);
  });

  it("is not that of a run that ended between the read and the wish", () => {
    assert.equal(outcome(after({ fence: 8, dueAt: NOW })), undefined);
  });

  it("is not known while Vault's answer was too old", () => {
    assert.equal(outcome(after({ fence: 8, dueAt: NOW + 5_000 }, { own: { olderSince: NOW } })), undefined);
  });

  it("is a failure while its Vault or its cluster is out of reach", () => {
    assert.equal(outcome(after({ dueAt: NOW }), [circuit])?.error?.code, "KUBE_UNREACHABLE");
    const vault = { ...circuit, id: "vault:https://v", code: "VAULT_SEALED" as const };
    assert.equal(outcome(after({ dueAt: NOW }, { waitsFor: vault.id }), [vault])?.error?.code, "VAULT_SEALED");
    assert.equal(outcome(after({ dueAt: NOW }), [vault]), undefined);
    const vso = { ...circuit, id: "vso:east", code: "OTHER_CONTROLLER" as const };
    assert.equal(outcome(after({ dueAt: NOW }), [vso])?.error?.code, "OTHER_CONTROLLER");
    const sealed = { ...error, code: "VAULT_SEALED" } as const;
    assert.equal(outcome(after({ fence: 8, dueAt: settledAt }, { error: sealed }))?.outcome, "failed");
  });

  it("is a failure when the declaration is gone", () => {
    assert.equal(outcome(undefined)?.error?.code, "DECLARATION_GONE");
  });
});
