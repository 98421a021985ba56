import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isRolloutComplete } from "../../../lib/kubernetes/workload-status.ts";
import type { RolloutTarget } from "../../../lib/ports/workloads.ts";

interface Case {
  readonly spec?: object;
  readonly status?: object;
}

const GENERATION = 4;

function judged(kind: RolloutTarget["kind"], { spec = {}, status = {} }: Case): boolean | undefined {
  return isRolloutComplete(kind, {
    metadata: { generation: GENERATION },
    spec: { replicas: 2, ...spec },
    status: { observedGeneration: GENERATION, ...status },
  });
}

/** Of 2 replicas, complete: each case changes something of it. */
const STATUS: Readonly<Record<RolloutTarget["kind"], object>> = {
  Deployment: { replicas: 2, updatedReplicas: 2, availableReplicas: 2 },
  StatefulSet: { replicas: 2, currentRevision: "b", updateRevision: "b", availableReplicas: 2 },
  DaemonSet: {
    ...{ desiredNumberScheduled: 2, currentNumberScheduled: 2, updatedNumberScheduled: 2 },
    ...{ numberAvailable: 2, numberMisscheduled: 0 },
  },
  "argo.Rollout": { observedGeneration: `${GENERATION}`, phase: "Healthy" },
};
const KINDS = Object.keys(STATUS) as RolloutTarget["kind"][];

describe("whether every replica of a workload runs its present template", () => {
  for (const kind of KINDS) {
    const of = (change: object, spec: object = {}) => judged(kind, { spec, status: { ...STATUS[kind], ...change } });

    it(`${kind}: as its controller says, once it has seen the workload as it is`, () => {
      assert.equal(of({}), true);
      assert.equal(of({ observedGeneration: GENERATION + 1 }), true);
      for (const observedGeneration of [
        GENERATION - 1,
        `${GENERATION - 1}`,
        undefined,
        null,
        "",
        "66b9d5",
        -4,
        4.5,
        {},
      ]) {
        assert.equal(of({ observedGeneration }), false, String(observedGeneration));
      }
      assert.equal(isRolloutComplete(kind, { spec: {}, status: STATUS[kind] }), false, "without a generation");
      assert.equal(isRolloutComplete(kind, { metadata: { generation: GENERATION } }), false, "without a status");
    });
  }

  const cases: readonly (readonly [RolloutTarget["kind"], string, Case, boolean | undefined])[] = [
    ["Deployment", "while fewer are updated", { status: { updatedReplicas: 1 } }, false],
    ["Deployment", "while an old one is there", { status: { replicas: 3 } }, false],
    ["Deployment", "while an old one ends", { status: { terminatingReplicas: 1 } }, false],
    ["Deployment", "while one is not available", { status: { availableReplicas: 1 } }, false],
    ["Deployment", "while fewer than wanted are there", { spec: { replicas: 3 } }, false],
    ["Deployment", "while more than wanted are there", { spec: { replicas: 1 } }, false],
    [
      "Deployment",
      "with one replica where the spec says nothing",
      { spec: { replicas: undefined }, status: { replicas: 1, updatedReplicas: 1, availableReplicas: 1 } },
      true,
    ],
    ["StatefulSet", "while revisions differ, as with a partition", { status: { currentRevision: "a" } }, false],
    ["StatefulSet", "while one is not available", { status: { availableReplicas: 1 } }, false],
    ["StatefulSet", "while one is missing", { status: { replicas: 1, availableReplicas: 1 } }, false],
    ["StatefulSet", "without revisions", { status: { currentRevision: undefined, updateRevision: undefined } }, false],
    ["StatefulSet", "that waits for deletions", { spec: { updateStrategy: { type: "OnDelete" } } }, undefined],
    ["DaemonSet", "while fewer are updated", { status: { updatedNumberScheduled: 1 } }, false],
    ["DaemonSet", "while one is unavailable", { status: { numberUnavailable: 1, numberAvailable: 1 } }, false],
    ["DaemonSet", "while one is not available yet", { status: { numberAvailable: 1 } }, false],
    ["DaemonSet", "that waits for deletions", { spec: { updateStrategy: { type: "OnDelete" } } }, undefined],
    ["argo.Rollout", "while it is paused", { status: { phase: "Paused" } }, false],
    ["argo.Rollout", "while it restarts", { status: { phase: "Progressing" } }, false],
    ["argo.Rollout", "of a version without phases", { status: { phase: undefined } }, undefined],
  ];
  for (const [kind, when, { spec = {}, status = {} }, expected] of cases) {
    it(`${kind}: ${expected === undefined ? "nobody knows" : expected ? "yes" : "no"}, ${when}`, () => {
      assert.equal(judged(kind, { spec, status: { ...STATUS[kind], ...status } }), expected);
    });
  }

  it("is so without any replica, whatever the strategy, once the old ones are gone", () => {
    const none = { replicas: 0, updateStrategy: { type: "OnDelete" } };
    assert.equal(judged("Deployment", { spec: none }), true);
    assert.equal(judged("Deployment", { spec: none, status: { replicas: 1 } }), false);
    assert.equal(judged("StatefulSet", { spec: none }), true);
    assert.equal(judged("StatefulSet", { spec: none, status: { replicas: 1 } }), undefined);
    assert.equal(judged("DaemonSet", { spec: none }), true);
    assert.equal(judged("DaemonSet", { spec: none, status: { currentNumberScheduled: 1 } }), undefined);
    assert.equal(judged("DaemonSet", { spec: none, status: { numberMisscheduled: 1 } }), undefined);
  });
});
