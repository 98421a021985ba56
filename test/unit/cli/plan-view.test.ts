import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { planText, planView } from "../../../cli/plan-view.ts";
import { SyncError } from "../../../lib/errors.ts";
import type { Planned, PlannedAction } from "../../../lib/plan/planned.ts";
import { aKey } from "../../builders.ts";

const NONE = { added: [], removed: [], changed: [] };

function aPlanned(action: PlannedAction, overrides: Partial<Planned> = {}): Planned {
  return { key: aKey(action), action, because: "why", removes: [], restarts: [], ...overrides };
}

const failure = aPlanned("fail", { error: new SyncError("VAULT_DENIED", "denied") });
const exit = (...planned: readonly Planned[]) => planView([{ name: "east", errors: [] }], planned).exitCode;

describe("a plan as people and scripts see it", () => {
  it("ends with 0 when nothing is to do, and what is adopted is left as it is", () => {
    assert.equal(exit(), 0);
    assert.equal(exit(aPlanned("none"), aPlanned("adopt")), 0);
  });

  it("ends with 3 when there are changes", () => {
    for (const action of ["create", "update", "take-over", "recreate", "prune", "remove", "restart"] as const) {
      assert.equal(exit(aPlanned("none"), aPlanned(action)), 3, action);
    }
  });

  it("ends with 1 when a sync or a cluster would fail, whatever else there is", () => {
    assert.equal(exit(aPlanned("create"), failure), 1);
    const errors = [new SyncError("KUBE_UNREACHABLE", "no answer")];
    assert.equal(planView([{ name: "east", errors }], [aPlanned("create")]).exitCode, 1);
    assert.equal(planView([{ name: "east", errors: [], awaitingApproval: { gone: 20, of: 30 } }], []).exitCode, 1);
  });

  it("ends with 1 when clusters of a hub may be missing, and names the hub or the object", () => {
    const refused = {
      hub: "main",
      object: "argocd/west",
      cluster: "west",
      code: "CLUSTER_DUPLICATE",
      message: "twice",
    };
    for (const [hubs, says] of [
      [{ unread: [{ hub: "main" }], refused: [] }, /^! hub main could not be read/m],
      [{ unread: [], refused: [refused] }, /^! hub main: cluster west \(argocd\/west\): CLUSTER_DUPLICATE: twice$/m],
    ] as const) {
      const view = planView([{ name: "east", errors: [] }], [aPlanned("create")], { hubs });
      assert.deepEqual([view.exitCode, view.hubs], [1, hubs]);
      assert.match(planText(view), says);
    }
  });

  it("reads as a diff: what comes, goes and changes, by name", () => {
    const changes = {
      any: true,
      digest: { before: "aaaaaaaa", after: "bbbbbbbb" },
      type: { before: "Opaque", after: "Opaque" },
      data: { added: ["new"], removed: ["old"], changed: ["password"] },
      labels: { ...NONE, added: ["team"] },
      annotations: { ...NONE, removed: ["note"] },
      owner: true,
    };
    const update = aPlanned("update", { secret: "db", changes, removes: ["former"], restarts: ["Deployment/app"] });
    const text = planText(planView([{ name: "east", errors: [] }], [update, aPlanned("none")]));
    assert.equal(
      text,
      `${[
        "~ east/VaultStaticSecret/shop/update  update: why",
        "      Secret db (Opaque), data aaaaaaaa -> bbbbbbbb",
        "      + data new",
        "      - data old",
        "      ~ data password",
        "      + label team",
        "      - annotation note",
        "      ~ owner reference",
        "      - Secret former",
        "      restarts Deployment/app",
        "  east/VaultStaticSecret/shop/none    none: why",
        "",
        "2 syncs: 1 none, 1 update",
      ].join("\n")}\n`,
    );
  });

  it("says what is wrong with a cluster, and what to do", () => {
    const errors = [new SyncError("KUBE_DENIED", "may not list")];
    const text = planText(planView([{ name: "east", errors, awaitingApproval: { gone: 20, of: 30 } }], []));
    assert.match(text, /! cluster east: KUBE_DENIED: may not list\n +what to do: keyferry's role/);
    assert.match(text, /20 of 30 declarations are gone/);
    assert.match(text, /No syncs declared/);
  });

  it("tells a failure with its remedy", () => {
    assert.match(planText(planView([], [failure])), /^! east.*fail: why\n +what to do: The policies/);
  });
});
