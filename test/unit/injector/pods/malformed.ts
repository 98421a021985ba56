import type { TestPod } from "../support.ts";
import type { RefusedCase } from "./case.ts";

/** Pods that no API server sends. */

type Path = readonly (string | number)[];

const FIRST: Path = ["spec", "containers", 0];
const VOLUME: Path = ["spec", "volumes", 0];

/** A Pod with this value at this path, and the reason. */
const MALFORMED: readonly (readonly [Path, unknown, string])[] = [
  [["metadata", "annotations", "x"], 1, "each of metadata.annotations must be a string"],
  [["spec"], [], "spec must be an object"],
  [["spec", "containers"], {}, "spec.containers must be a list"],
  [["spec", "initContainers"], "x", "spec.initContainers must be a list"],
  [["spec", "initContainers"], [null], "spec.initContainers[] must be an object"],
  [["spec", "volumes"], 1, "spec.volumes must be a list"],
  [["spec", "securityContext"], 1, "spec.securityContext must be an object"],
  [["spec", "securityContext"], { runAsUser: 1.5 }, "spec.securityContext.runAsUser must be a whole number"],
  [["spec", "terminationGracePeriodSeconds"], "1", "spec.terminationGracePeriodSeconds must be a whole number"],
  [["status"], 1, "status must be an object"],
  [["status"], { phase: 1 }, "status.phase must be a string"],
  [FIRST, null, "spec.containers[] must be an object"],
  [FIRST, [], "spec.containers[] must be an object"],
  [[...FIRST, "name"], 1, "spec.containers[].name must be a string"],
  [[...FIRST, "command"], "x", "spec.containers[].command must be a list"],
  [[...FIRST, "command"], [1], "spec.containers[].command must be a string"],
  [[...FIRST, "env"], {}, "spec.containers[].env must be a list"],
  [[...FIRST, "env"], [null], "spec.containers[].env[] must be an object"],
  [[...FIRST, "env"], [{ name: 1 }], "spec.containers[].env[].name must be a string"],
  [[...FIRST, "env"], [{ name: "a", value: 1 }], "spec.containers[].env[].value must be a string"],
  [[...FIRST, "env"], [{ name: "a", valueFrom: 1 }], "spec.containers[].env[].valueFrom must be an object"],
  [
    [...FIRST, "env"],
    [{ name: "a", valueFrom: { z: 1, a: { b: { c: { d: { e: 1 } } } } } }],
    "spec.containers[].env[].valueFrom nests too deep",
  ],
  [[...FIRST, "volumeMounts"], {}, "spec.containers[].volumeMounts must be a list"],
  [[...FIRST, "volumeMounts"], [1], "spec.containers[].volumeMounts[] must be an object"],
  [[...FIRST, "volumeMounts"], [{ name: 1 }], "spec.containers[].volumeMounts[].name must be a string"],
  [[...FIRST, "volumeMounts"], [{ mountPath: 1 }], "spec.containers[].volumeMounts[].mountPath must be a string"],
  [[...FIRST, "volumeMounts"], [{ name: "a", x: {} }], "spec.containers[].volumeMounts[] must have simple fields"],
  [
    [...FIRST, "securityContext"],
    { runAsUser: "7" },
    "spec.containers[].securityContext.runAsUser must be a whole number",
  ],
  [VOLUME, null, "spec.volumes[] must be an object"],
  [[...VOLUME, "name"], 1, "spec.volumes[].name must be a string"],
  [[...VOLUME, "projected"], 1, "spec.volumes[].projected must be an object"],
  [[...VOLUME, "projected"], { sources: 1 }, "spec.volumes[].projected.sources must be a list"],
  [[...VOLUME, "projected"], { sources: [null] }, "spec.volumes[].projected.sources[] must be an object"],
  [
    [...VOLUME, "projected"],
    { sources: [{ serviceAccountToken: { path: 1 } }] },
    "spec.volumes[].projected.sources[].serviceAccountToken.path must be a string",
  ],
  [
    ["spec", "containers"],
    Array.from({ length: 10_001 }, (_, at) => ({ name: `c${at}` })),
    "the pod has more than 10000 items in its lists",
  ],
];

function put(pod: TestPod, path: Path, value: unknown): void {
  let parent = pod as unknown as Record<string | number, unknown>;
  for (const token of path.slice(0, -1)) parent = parent[token] as Record<string | number, unknown>;
  parent[path.at(-1) ?? ""] = value;
}

function literally(text: string): RegExp {
  return new RegExp(`^${text.replace(/[.[\]]/g, "\\$&")}$`);
}

export const MALFORMED_PODS: readonly RefusedCase[] = MALFORMED.map(([path, value, reason]) => ({
  title: reason,
  given: (pod) => put(pod, path, value),
  code: 400,
  reasons: [literally(reason)],
}));
