import { aPod, type TestContainer, type TestPod, TOKEN_PATH } from "./support.ts";

/** The most expensive reviews that are known, as bodies of requests: each has as much of one thing as is let in, or more. */
export interface WorstReview {
  readonly title: string;
  readonly body: Buffer;
}

export const MAX_BODY = 3 * 1_024 * 1_024;

export function worstReviews(): readonly WorstReview[] {
  const all = { ...annotations(), ...multiplied(), ...lists(), ...bodies() };
  return Object.entries(all).map(([title, one]) => ({ title, body: one instanceof Buffer ? one : bodyOf(one) }));
}

/** Much in the annotations. */
function annotations(): Readonly<Record<string, TestPod>> {
  const copies = JSON.stringify(times(100, (at) => ({ op: "copy", from: at % 2 ? "/env" : "", path: `/x${at}` })));
  const large = JSON.stringify([{ op: "add", path: "/a", value: "x".repeat(250_000) }]);
  return {
    "10,000 secrets": aPod(secrets(10_000)),
    "4,000 secrets with a path": aPod(secrets(4_000)),
    "1,000 secrets": aPod(secrets(999)),
    "300 secrets": aPod(secrets(300)),
    "4,900 secrets without a path": aPod(many(4_900, (at) => `agent-inject-secret-s${at}`, "")),
    "4,900 settings of undeclared secrets": aPod(many(4_900, (at) => `agent-inject-perms-s${at}`, "0400")),
    "4,900 unknown annotations": aPod(many(4_900, (at) => `agent-imgae-${at}`, "")),
    "4,900 other annotations": aPod(many(4_900, (at) => `example.com/${at}`, "")),
    "4,900 parameters": aPod(many(4_900, (at) => `auth-config-p-${at}`, "")),
    "a template of 255 KiB of controls": aPod({ "agent-inject-template-db": "\u0000".repeat(255 * 1024) }),
    "a template of 95 KiB of controls": aPod({ "agent-inject-template-db": "\u0000".repeat(95 * 1024) }),
    "a path of 255 KiB of controls": aPod({ "agent-inject-secret-db": "\u0000".repeat(255 * 1024) }),
    "a path of 95 KiB of controls": aPod({ "agent-inject-secret-db": "\u0000".repeat(95 * 1024) }),
    "a delimiter of 200 KiB": aPod({ "agent-template-left-delim-db": "<".repeat(200 * 1024) }),
    "a delimiter of 90 KiB": aPod({
      "agent-template-left-delim-db": "<".repeat(90 * 1024),
      "keyferry.dev/agent-env-db": "true",
    }),
    "a list of 127,000 names": aPod({ "agent-inject-containers": "a,".repeat(127 * 1024) }),
    "a role of 255 KiB of controls": aPod({ role: "\u0000".repeat(255 * 1024) }),
    "an address of 255 KiB of quotes": aPod({ service: "'".repeat(255 * 1024), "agent-revoke-on-shutdown": "true" }),
    "a patch with a value of 250 KB": aPod({ "agent-json-patch": large }),
    "a patch that copies a hundred times": aPod({ "agent-json-patch": copies }),
    "a patch of 125,000 levels": aPod({ "agent-json-patch": "[".repeat(121_000) + "]".repeat(121_000) }),
    "1,000 secrets below a path of 200 KB": aPod({ ...secrets(999), "secret-volume-path": `/${"x".repeat(200_000)}` }),
    "1,000 files below a path of 150 KB": aPod({
      ...secrets(999),
      ...many(999, (at) => `agent-inject-file-s${at}`, "../a"),
      "secret-volume-path": `/${"x/".repeat(75_000)}`,
    }),
  };
}

/** What each container gets, times the number of containers. */
function multiplied(): Readonly<Record<string, TestPod>> {
  const ofEnvironment = many(150, (at) => `keyferry.dev/agent-env-s${at}`, "true");
  const command = ["x"];
  return {
    "one file for 3,990 containers": withContainers(aPod(), 3_990),
    "one file for 3,990 containers with an own path": withContainers(
      aPod({ "secret-volume-path": "/very/long" }),
      3_990,
    ),
    "a path of 90 KB for 3,990 containers": withContainers(
      aPod({ "secret-volume-path": `/${"x".repeat(90_000)}` }),
      3_990,
    ),
    "150 variables for 3,990 containers": withContainers(aPod({ ...secrets(150), ...ofEnvironment }), 3_990, {
      command,
    }),
    "one variable for 3,990 containers": withContainers(aPod({ "keyferry.dev/agent-env-db": "true" }), 3_990, {
      command,
    }),
    "a refusal for each of 3,990 containers": withContainers(aPod({ "keyferry.dev/agent-env-db": "true" }), 3_990),
    "a command of 1.3 MB": withContainers(aPod({ "keyferry.dev/agent-env-db": "true" }), 0, {
      command: ["x".repeat(650_000)],
    }),
    "a command of 2.8 MB": withContainers(aPod({ "keyferry.dev/agent-env-db": "true" }), 0, {
      command: ["x".repeat(1_400_000)],
    }),
    "100 paths and 35 containers": withContainers(aPod({ ...secrets(100), ...paths(100) }), 35),
    "1,000 paths": aPod({ ...secrets(999), ...paths(999) }),
  };
}

/** Much in the lists of the pod. */
function lists(): Readonly<Record<string, TestPod>> {
  const token = { name: "kube-api-access-x", mountPath: TOKEN_PATH };
  const mount = (at: number) => ({ name: "x", mountPath: `/m${at}` });
  const valueFrom = { a: { b: [1, 2, 3] } };
  return {
    "9,900 containers": withContainers(aPod({ "agent-inject-containers": "web" }), 9_900),
    "21,000 containers": withContainers(aPod({ "agent-inject-containers": "web" }), 21_000),
    "a copy of 9,000 mounts": withContainers(aPod({ "agent-copy-volume-mounts": "web" }), 0, {
      volumeMounts: [token, ...times(4_500, mount)],
    }),
    "a copy of a mount of 1 MB": withContainers(aPod({ "agent-copy-volume-mounts": "web" }), 0, {
      volumeMounts: [token, { name: "x", mountPath: `/${"x".repeat(1_000_000)}` }],
    }),
    "9,900 volumes": withSpec(aPod(), { volumes: times(9_900, (at) => ({ name: `v${at}` })) }),
    "9,900 variables": withContainers(aPod(), 0, { env: times(4_950, (at) => ({ name: `v${at}`, value: "x" })) }),
    "variables with 20,000 sources": withContainers(aPod(), 0, { env: times(2_800, () => ({ name: "v", valueFrom })) }),
  };
}

/** Much of anything, in a field that the injector does not read. */
function bodies(): Readonly<Record<string, Buffer>> {
  const pod = aPod();
  const blanks = (one: Buffer): Buffer => Buffer.concat([one, Buffer.alloc(MAX_BODY - one.byteLength, " ")]);
  return {
    "3 MiB of letters": padded("x"),
    "3 MiB of two-byte letters": padded("ü"),
    "3 MiB of line ends": padded("\n"),
    "3 MiB of escapes": padded("\u0001"),
    "3 MiB of blanks": blanks(bodyOf(pod)),
    "3 MiB of blanks and 39,000 fields": blanks(bodyOf({ ...pod, padding: many(39_000, (at) => `n${at}`, "") })),
    "3 MiB of an unfinished text": Buffer.alloc(MAX_BODY, '"\\'),
    "3 MiB of commas": Buffer.alloc(MAX_BODY, ","),
    "3 MiB of lists": Buffer.alloc(MAX_BODY, "[]"),
    "39,000 numbers": bodyOf({ ...pod, padding: times(39_000, () => 1) }),
    "39,000 fractions": bodyOf({ ...pod, padding: times(39_000, (at) => at / 7e-5) }),
    "19,000 objects with different fields": bodyOf({ ...pod, padding: times(19_000, (at) => ({ [`n${at}`]: at })) }),
    "an object of 39,000 fields": bodyOf({ ...pod, padding: many(39_000, (at) => `n${at}`, "") }),
    "an object of 190,000 fields": bodyOf({ ...pod, padding: many(190_000, (at) => `n${at}`, "") }),
    "12,000 empty lists in lists": bodyOf({ ...pod, padding: times(12_000, () => [[]]) }),
    "500 lists of 90 levels": bodyOf({ ...pod, padding: times(500, () => nested(90)) }),
    "20,000 fields, 3,000 containers with a variable": bodyOf({
      ...withContainers(aPod({ "keyferry.dev/agent-env-db": "true" }), 3_000, { command: ["x"] }),
      padding: many(20_000, (at) => `n${at}`, ""),
    }),
    "30,000 fields, a path of 95 KiB of controls": bodyOf({
      ...aPod({ "agent-inject-secret-db": "\u0000".repeat(95 * 1024) }),
      padding: many(30_000, (at) => `n${at}`, ""),
    }),
    "39,000 annotations": bodyOf(aPod(many(39_000, (at) => `example.com/n${at}`, ""))),
  };
}

function bodyOf(object: unknown): Buffer {
  const request = { uid: "1", namespace: "shop", operation: "CREATE", kind: { kind: "Pod" }, object };
  return Buffer.from(JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request }));
}

/** As long as a body may be. */
function padded(one: string): Buffer {
  const at = (padding: string): Buffer => bodyOf({ ...aPod(), padding });
  const eachOf = Buffer.byteLength(JSON.stringify(one)) - 2;
  return at(one.repeat(Math.floor((MAX_BODY - at("").byteLength) / eachOf)));
}

function nested(depth: number): unknown {
  return JSON.parse("[".repeat(depth) + "]".repeat(depth));
}

function times<T>(count: number, one: (at: number) => T): T[] {
  return Array.from({ length: count }, (_, at) => one(at));
}

function many(count: number, name: (at: number) => string, text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(times(count, (at) => [name(at), text] as const));
}

function secrets(count: number): Readonly<Record<string, string>> {
  return many(count, (at) => `agent-inject-secret-s${at}`, "p");
}

function paths(count: number): Readonly<Record<string, string>> {
  return Object.fromEntries(times(count, (at) => [`secret-volume-path-s${at}`, `/x${at}`] as const));
}

/** These fields for all containers, and more containers. */
function withContainers(pod: TestPod, count: number, rest: Partial<TestContainer> = {}): TestPod {
  const own = pod.spec.containers.map((one) => ({ ...one, ...rest }));
  return withSpec(pod, { containers: [...own, ...times(count, (at) => ({ name: `c${at}`, ...rest }))] });
}

function withSpec(pod: TestPod, spec: object): TestPod {
  return { ...pod, spec: { ...pod.spec, ...spec } };
}
