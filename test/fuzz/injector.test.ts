import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { applyPatch } from "rfc6902";
import type { Annotation } from "../../lib/injector/annotation.ts";
import { GROUPS } from "../../lib/injector/annotations.ts";
import { type ReviewOutcome, review } from "../../lib/injector/review.ts";
import type { ValueType } from "../../lib/injector/value-types.ts";
import { injectorSettings } from "../../lib/injector-settings.ts";
import {
  aPod,
  patchedPod,
  patchOf,
  reviewOf,
  type TestContainer,
  type TestPod,
  TOKEN_PATH,
} from "../unit/injector/support.ts";
import { worstReviews } from "../unit/injector/worst.ts";

const INPUTS = Number(process.env.KEYFERRY_FUZZ_INPUTS ?? 200_000);
const SEED = Number(process.env.KEYFERRY_FUZZ_SEED ?? 20_261_129);

/** Is part of values only, so it may be in no message. */
const CANARY = "canary-4711";

const SECRET_NAMES = ["db", "Db", "a.b", "x-y", "__proto__", "constructor", "toString", "file-x", "9", "ü"];

/** Values that each type accepts. */
const VALID: Readonly<Record<ValueType, readonly string[]>> = {
  bool: ["true", "false", "1", "0", "T", "F", ""],
  text: ["a", "/a/b", "kv/data/x", "web", "0400", "x y", "'\"`$(id)", "{{ .x }}", '"}}{{', "ü\n"],
  list: ["web", "web, log", " , ", "auto-auth,caching", ""],
  id: ["0", "1", "65534"],
  seconds: ["0", "5", "300"],
  count: ["0", "7"],
  fraction: ["0", "0.5", "1"],
  duration: ["1s", "1m30s", "500ms", ""],
  quantity: ["", "1", "250m", "64Mi", "1e3"],
  format: ["map", "JSON"],
  patch: [
    "[]",
    '[{"op":"add","path":"/stdin","value":true}]',
    '[{"op":"remove","path":"/env/0"}]',
    '[{"op":"replace","path":"/name","value":"agent"}]',
    '[{"op":"copy","from":"/env","path":"/copied"},{"op":"move","from":"/copied","path":"/moved"}]',
  ],
  binary: ["vault", "bao", ""],
  seccomp: ["RuntimeDefault", "none"],
};

const NASTY = [
  ...["", " ", "\u0000", "\u001b[31m", "\u202e", "\ud800", "__proto__", "constructor", "true\n", "TRUE ", "yes"],
  ...["NaN", "Infinity", "-1", "1e309", "0x10", "9".repeat(400), "1".repeat(70_000)],
  ...["{{", "}}", '"', "\\", "'", "`", "$(id)", "../../../etc/passwd", "/", "//", "a/".repeat(5_000)],
  ...["[".repeat(50_000), `${"[".repeat(20)}${"]".repeat(20)}`, "{", '{"op":"add"}', "null", "[null]", "[1]"],
  '[{"op":"add","path":"/__proto__/polluted","value":1}]',
  '[{"op":"add","path":"/constructor/prototype/polluted","value":1}]',
  '[{"op":"add","path":"","value":{"__proto__":{"polluted":1},"name":"x"}}]',
  '[{"op":"add","path":"","value":{"name":"vault-agent-init"}}]',
  '[{"op":"replace","path":"","value":null}]',
  '[{"op":"remove","path":""}]',
  '[{"op":"add","path":"/env/-","value":1},{"op":"move","from":"/env/-","path":"/x"}]',
  JSON.stringify(Array.from({ length: 90 }, () => ({ op: "copy", from: "", path: "/x" }))),
  JSON.stringify(Array.from({ length: 90 }, (_, at) => ({ op: "copy", from: "/env", path: `/x${at}` }))),
  JSON.stringify(Array.from({ length: 90 }, () => ({ op: "copy", from: "/env", path: "/env/-" }))),
  JSON.stringify(Array.from({ length: 5_000 }, () => ({ op: "add", path: "/a", value: 1 }))),
  JSON.stringify([{ op: "add", path: "/a", value: "x".repeat(100_000) }]),
];

const ALL = GROUPS.flatMap(({ prefix, annotations }) =>
  (annotations as readonly Annotation[]).map((one) => ({ prefix, ...one })),
);

function annotation(values: (type: ValueType) => fc.Arbitrary<string>): fc.Arbitrary<[string, string]> {
  return fc.constantFrom(...ALL).chain(({ prefix, name, of, type }) => {
    const suffix = of === undefined ? fc.constant("") : fc.constantFrom(...SECRET_NAMES).map((one) => `-${one}`);
    return fc.tuple(
      suffix.map((rest) => `${prefix}${name}${rest}`),
      values(type),
    );
  });
}

const STANDARD = {
  "vault.hashicorp.com/agent-inject": "true",
  "vault.hashicorp.com/role": "shop",
  "vault.hashicorp.com/agent-inject-secret-db": "kv/data/shop",
};

const TOKEN = { name: "token", mountPath: TOKEN_PATH, readOnly: true };

function container(name: string): fc.Arbitrary<TestContainer> {
  return fc.record({
    name: fc.constant(name),
    image: fc.constantFrom("nginx", "busybox:1"),
    command: fc.constantFrom(["/bin/app"], ["sh", "-c", "true"]),
    env: fc.constantFrom([], [{ name: "A", value: "1" }], [{ name: "AWS_REGION", value: "eu" }]),
    securityContext: fc.constantFrom({}, { runAsUser: 7 }, { runAsUser: 0 }),
    volumeMounts: fc
      .tuple(
        fc.oneof({ weight: 9, arbitrary: fc.constant([TOKEN]) }, { weight: 1, arbitrary: fc.constant([]) }),
        fc.subarray([
          { name: "data", mountPath: "/data" },
          { name: "aws", mountPath: "/var/run/secrets/eks.amazonaws.com/serviceaccount" },
        ]),
        fc.oneof(
          { weight: 40, arbitrary: fc.constant([]) },
          { weight: 1, arbitrary: fc.constant([{ name: "data", mountPath: "/vault/secrets" }]) },
        ),
      )
      .map((parts) => parts.flat()),
    livenessProbe: fc.constantFrom(undefined, { httpGet: { path: "/", port: 80 } }),
  }) as fc.Arbitrary<TestContainer>;
}

function containers(prefix: string, least: number): fc.Arbitrary<TestContainer[]> {
  return fc
    .integer({ min: least, max: 4 })
    .chain((count) =>
      fc.tuple(...Array.from({ length: count }, (_, at) => container(`${prefix}${at === 0 ? "" : at}`))),
    );
}

function pod(extra: fc.Arbitrary<[string, string][]>): fc.Arbitrary<TestPod> {
  return fc
    .record({
      annotations: extra.map((list) => ({ ...STANDARD, ...Object.fromEntries(list) })),
      containers: containers("web", 1),
      initContainers: fc.oneof(fc.constant(undefined), containers("first", 0)),
      volumes: fc.subarray([
        { name: "token", projected: { sources: [{ serviceAccountToken: { path: "token" } }] } },
        { name: "data", emptyDir: {} },
        { name: "aws", projected: { sources: [] } },
      ]),
      shared: fc.constantFrom(undefined, true),
    })
    .map(({ annotations, shared, initContainers, ...spec }) => ({
      metadata: { generateName: "x-", annotations },
      spec: {
        ...spec,
        ...(initContainers === undefined ? {} : { initContainers }),
        ...(shared === undefined ? {} : { shareProcessNamespace: shared }),
      },
    }));
}

/** Each container of before is there, in its order, with all that it had; a command may be wrapped. */
function keepsContainers(before: readonly TestContainer[] = [], after: readonly TestContainer[] = []): void {
  const names = new Set(before.map(({ name }) => name));
  const kept = after.filter(({ name }) => names.has(name));
  assert.deepEqual(
    kept.map(({ name }) => name),
    before.map(({ name }) => name),
  );
  for (const [at, was] of before.entries()) {
    const { volumeMounts = [], command = [], ...rest } = kept[at] ?? { name: "" };
    const { volumeMounts: mountsBefore = [], command: commandBefore = [], ...restBefore } = was;
    assert.deepEqual(rest, restBefore);
    assert.deepEqual(volumeMounts.slice(0, mountsBefore.length), mountsBefore);
    assert.deepEqual(command.slice(command.length - commandBefore.length), commandBefore);
  }
}

function keepsEverything(before: TestPod, after: TestPod): void {
  const { containers: a, initContainers: b, volumes: c = [], shareProcessNamespace: _, ...rest } = after.spec;
  const { containers: d, initContainers: e, volumes: f = [], shareProcessNamespace: __, ...restBefore } = before.spec;
  assert.deepEqual(rest, restBefore);
  keepsContainers(d, a);
  keepsContainers(e, b);
  assert.deepEqual(c.slice(0, f.length), f);
  assert.deepEqual(after.metadata, {
    ...before.metadata,
    annotations: { ...before.metadata.annotations, "vault.hashicorp.com/agent-inject-status": "injected" },
  });
}

/** What Kubernetes checks of names. */
function isConsistent({ spec }: TestPod): void {
  const all = [...spec.containers, ...(spec.initContainers ?? [])];
  assert.equal(new Set(all.map(({ name }) => name)).size, all.length, "names of containers");
  assert.equal(new Set(spec.volumes?.map(({ name }) => name)).size, spec.volumes?.length ?? 0, "names of volumes");
  for (const { volumeMounts = [] } of all) {
    assert.equal(new Set(volumeMounts.map(({ mountPath }) => mountPath)).size, volumeMounts.length, "mount paths");
  }
}

/** A refusal, or a patch that applies. */
function isSound(input: unknown, outcome: ReviewOutcome): void {
  const { response } = outcome.body;
  const said = JSON.stringify([outcome.reasons, response.warnings, response.status]);
  assert.ok(!said.includes(CANARY), said);
  assert.ok(said.length < 16_000, `${said.length}`);
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  if (outcome.result !== "injected") {
    assert.equal(response.patch, undefined);
    assert.equal(response.allowed, outcome.result === "ignored");
    assert.equal(outcome.reasons.length > 0, outcome.result !== "ignored");
    return;
  }
  const copy = structuredClone((input as { request: { object: unknown } }).request.object);
  for (const error of applyPatch(copy, patchOf(outcome))) assert.equal(error, null);
}

const settings = injectorSettings({ vaultAddress: "https://vault.example.com" });

function wrapped(object: unknown): unknown {
  const request = { uid: "1", namespace: "shop", operation: "CREATE", kind: { kind: "Pod" }, object };
  return { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request };
}

describe("generated Pods", () => {
  it("get a patch that applies, once, and lose nothing", (t) => {
    const counts = { injected: 0, refused: 0 };
    const annotations = fc.array(
      annotation((type) => fc.constantFrom(...VALID[type])),
      { maxLength: 5 },
    );
    const property = fc.property(pod(annotations), (before) => {
      const outcome = reviewOf(before);
      isSound(wrapped(before), outcome);
      if (outcome.result !== "injected") {
        counts.refused++;
        return;
      }
      counts.injected++;
      const after = patchedPod(before, outcome);
      keepsEverything(before, after);
      isConsistent(after);
      assert.equal(reviewOf(after).result, "ignored");
    });
    fc.assert(property, { numRuns: Math.min(INPUTS, 10_000), seed: SEED });
    t.diagnostic(JSON.stringify(counts));
    assert.ok(counts.injected > counts.refused, "most of them are injected");
  });
});

describe("fuzzed reviews", () => {
  const marked = fc.constantFrom(...NASTY).map((text) => (text.length > 200 ? text : `${text}${CANARY}`));
  const nasty = fc.oneof(fc.constantFrom(...NASTY), marked, fc.string({ maxLength: 40 }));

  it("with any annotations are refused, or get a patch that applies", () => {
    const unknown = fc.tuple(
      fc.oneof(
        fc.string({ maxLength: 30 }).map((rest) => `vault.hashicorp.com/${rest}`),
        fc.constantFrom("__proto__", "vault.hashicorp.com/__proto__", "vault.hashicorp.com/", "keyferry.dev/agent-"),
      ),
      nasty,
    );
    const list = fc.array(
      fc.oneof({ weight: 4, arbitrary: annotation(() => nasty) }, { weight: 1, arbitrary: unknown }),
      {
        maxLength: 4,
      },
    ) as fc.Arbitrary<[string, string][]>;
    const property = fc.property(pod(list), (object) => {
      const input = wrapped(object);
      isSound(input, review(input, settings));
    });
    fc.assert(property, { numRuns: Math.ceil(INPUTS / 2), seed: SEED });
  });

  it("with any value at any place of an agent are refused, or get a patch that applies", () => {
    const fields = [
      ...["name", "image", "command", "args", "env", "resources", "volumeMounts", "lifecycle", "securityContext"],
      ...["restartPolicy", "command/0", "args/0", "env/0", "env/0/name", "volumeMounts/0", "volumeMounts/0/mountPath"],
    ];
    const operation = fc.record({
      op: fc.constantFrom("add", "replace", "remove"),
      path: fc.oneof(
        { weight: 20, arbitrary: fc.constantFrom(...fields).map((field) => `/${field}`) },
        { weight: 1, arbitrary: fc.constant("") },
      ),
      value: fc.jsonValue({ maxDepth: 2 }),
    });
    const patch = fc.array(operation, { minLength: 1, maxLength: 3 }).map((list) => JSON.stringify(list));
    const allowed = fc.constantFrom(undefined, ["hashicorp/vault:*"]);
    const shape = fc.constantFrom({}, { "agent-cache-enable": "true", "agent-native-sidecar": "true" });
    const property = fc.property(patch, patch, shape, allowed, (init, sidecar, extra, allowedImages) => {
      const annotations = { ...extra, "agent-init-json-patch": init, "agent-json-patch": sidecar };
      const input = wrapped(aPod(annotations));
      const some = allowedImages === undefined ? {} : { allowedImages };
      isSound(input, review(input, injectorSettings({ vaultAddress: "https://vault.example.com", ...some })));
    });
    fc.assert(property, { numRuns: Math.ceil(INPUTS / 10), seed: SEED });
  });

  it("of any shape are answered", () => {
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        fc.jsonValue({ maxDepth: 2 }),
        fc.constantFrom(...NASTY.filter(({ length }) => length < 100)),
        fc.dictionary(
          fc.constantFrom(
            "name",
            "metadata",
            "annotations",
            "spec",
            "containers",
            "mountPath",
            "env",
            "__proto__",
            "uid",
          ),
          tie("value"),
          { maxKeys: 3 },
        ),
      ),
    }));
    const places = [
      ["apiVersion"],
      ["kind"],
      ["request"],
      ...["uid", "namespace", "operation", "kind", "object", "dryRun"].map((name) => ["request", name]),
      ...["metadata", "spec", "status"].map((name) => ["request", "object", name]),
      ["request", "object", "metadata", "annotations"],
      ["request", "object", "metadata", "annotations", "vault.hashicorp.com/agent-inject-secret-db"],
      ...["containers", "initContainers", "volumes", "securityContext"].map((name) => [
        "request",
        "object",
        "spec",
        name,
      ]),
      ["request", "object", "spec", "containers", "0"],
      ...["name", "volumeMounts", "env", "command", "securityContext"].map((name) => [
        "request",
        "object",
        "spec",
        "containers",
        "0",
        name,
      ]),
      ["request", "object", "spec", "volumes", "0"],
      ["request", "object", "spec", "volumes", "0", "projected"],
    ];
    const property = fc.property(fc.constantFrom(...places), value, fc.constantFrom({}, AWS), (place, put, extra) => {
      const input = structuredClone(wrapped(aPod(extra)));
      let parent = input as Record<string, unknown>;
      for (const token of place.slice(0, -1)) parent = parent[token] as Record<string, unknown>;
      parent[place.at(-1) ?? ""] = put;
      isSound(input, review(input, settings));
    });
    fc.assert(property, { numRuns: Math.floor(INPUTS / 2), seed: SEED });
  });

  it("of any size are answered: the most expensive ones that are known", () => {
    for (const { title, body } of worstReviews()) {
      const input = parsed(body);
      if (input === undefined) continue;
      const outcome = review(input, settings);
      isSound(input, outcome);
      assert.ok(JSON.stringify(outcome.body).length <= MAX_ANSWER, title);
      if (outcome.result === "injected") assert.ok(patchOf(outcome).length <= MAX_OPERATIONS, title);
      else assert.ok([400, 422].includes(outcome.body.response.status?.code ?? 0), title);
    }
  });
});

/** What etcd stores of an object, as base64, and what each addition says around it. */
const MAX_ANSWER = 3 * 1_024 * 1_024;
/** A mount and a command for each of 4,000 containers, and what the pod gets once. */
const MAX_OPERATIONS = 8_100;

/** Undefined: it is no JSON, and comes to no review. */
function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

const AWS = { "auth-type": "aws", "agent-copy-volume-mounts": "web", "agent-cache-enable": "true" };
