import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Annotated, isPushed, parsePush, pushAnnotations } from "../../../../lib/declarations/push/annotations.ts";
import { parseEntries } from "../../../../lib/declarations/push/entries.ts";
import { MAX_PUSH_BYTES, pushFields } from "../../../../lib/declarations/push/fields.ts";
import { mountedSecrets, storedSecrets } from "../../../../lib/declarations/push/sources.ts";
import { SyncError } from "../../../../lib/errors.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import { pathText } from "../../../../lib/util/complaints.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";

const says = (entries: unknown) => {
  const told = parseEntries(typeof entries === "string" ? entries : JSON.stringify(entries));
  return "complaints" in told ? told.complaints.map(({ path, message }) => `${pathText(path)}: ${message}`) : [];
};

describe("the entries of vault-sync.io/secrets", () => {
  it("say everything that is wrong with them, each at its place", () => {
    const name = "must be a Kubernetes name: lower-case letters, digits, - and ., 253 characters at most";
    const key = "must be a key of a Secret: letters, digits, -, _ and .";
    const cases: readonly (readonly [unknown, readonly string[]])[] = [
      ["nonsense", [": is not JSON"]],
      ["{}", [': must be a list, such as [{"name":"db","keys":["user"]}]']],
      [[null, 7, []], [0, 1, 2].map((at) => `[${at}]: must be a map with name and keys`)],
      [[{}], ["[0].name: required"]],
      [
        [{ name: 7, prefix: 7, keys: 7 }],
        ["[0].name: must be a string", "[0].prefix: must be a string", "[0].keys: must be a list"],
      ],
      [[{ name: "A" }], [`[0].name: ${name}`]],
      [
        [{ name: "a", keys: [7, "b/c", "", "x".repeat(254)] }],
        ["[0].keys[0]: must be a string", ...[1, 2, 3].map((at) => `[0].keys[${at}]: ${key}`)],
      ],
      [[{ name: "a", prefix: "x".repeat(254) }], ["[0].prefix: must have at most 253 characters"]],
      [[{ name: "a", prefix: "a\u0000" }], ["[0].prefix: must have no control characters"]],
      [[{ name: "a", prefix: "\ud800" }], ["[0].prefix: must have no control characters"]],
      [
        [
          { name: "a", keys: ["x"] },
          { name: "b", keys: ["y", "x"] },
        ],
        ["[1].keys[1]: becomes the same field as a key of entry 0: add a prefix"],
      ],
      [
        [
          { name: "a", keys: ["px"] },
          { name: "b", keys: ["x"], prefix: "p" },
        ],
        ["[1].keys[0]: becomes the same field as a key of entry 0: add a prefix"],
      ],
    ];
    for (const [entries, expected] of cases) assert.deepEqual(says(entries), expected, JSON.stringify(entries));
  });

  it("are 64 at most, of 1,000 keys, with names of 253 characters", () => {
    const many = (count: number) => Array.from({ length: count }, (_, at) => ({ name: `s${at}`, keys: [`k${at}`] }));
    assert.deepEqual([says(many(64)), says(many(65))], [[], [": must have at most 64 entries"]]);
    const keys = (count: number) => [{ name: "a", keys: Array.from({ length: count }, (_, at) => `k${at}`) }];
    assert.deepEqual([says(keys(1_000)), says(keys(1_001))], [[], [": must name at most 1000 keys"]]);
    assert.deepEqual(says([{ name: "a", keys: ["x".repeat(253)], prefix: "p".repeat(253) }]), []);
  });

  it("are read as Go reads them: null is nothing, a key counts once", () => {
    const read = parseEntries('[{"name":"a","keys":null,"prefix":null},{"NAME":"b","keys":["x","x"],"prefix":"p"}]');
    assert.deepEqual(read, {
      entries: [
        { secret: "a", keys: [], prefix: "", optional: false },
        { secret: "b", keys: ["x"], prefix: "p", optional: false },
      ],
      misread: [],
    });
  });
});

describe("the declaration of an annotated object", () => {
  const of = (annotations: Readonly<Record<string, string>>, more: Partial<Annotated> = {}, mountedOnly = false) =>
    parsePush(
      {
        kind: "Deployment",
        name: "app",
        mounted: [],
        annotations: { "vault-sync.io/path": "kv/a", ...annotations },
        ...more,
      },
      { mountedOnly },
    );
  const complaints = (...given: Parameters<typeof of>) => {
    const found = of(...given);
    return "complaints" in found ? found.complaints.map(({ path, message }) => `${path.join(" ")}: ${message}`) : [];
  };
  const mounted = (...names: readonly string[]) => names.map((name) => ({ name, optional: name.startsWith("opt") }));
  const secrets = (...names: readonly string[]) => ({
    "vault-sync.io/secrets": JSON.stringify(names.map((name, at) => ({ name, keys: [`k${at}`] }))),
  });

  it("is the Secret itself, each mounted one below the path, or those that it names", () => {
    const objects = (...given: Parameters<typeof of>) => {
      const found = of(...given);
      return "complaints" in found ? assert.fail() : found.objects;
    };
    assert.deepEqual(objects({}, { kind: "Secret" }), [{ entries: [{ secret: "app", prefix: "", optional: false }] }]);
    assert.deepEqual(objects({}, { mounted: mounted("a", "opt") }), [
      { below: "a", entries: [{ secret: "a", prefix: "", optional: false }] },
      { below: "opt", entries: [{ secret: "opt", prefix: "", optional: true }] },
    ]);
    assert.deepEqual(objects(secrets("a"), { kind: "Secret" }), [
      { entries: [{ secret: "a", keys: ["k0"], prefix: "", optional: false }] },
    ]);
  });

  it("is of 40 mounted Secrets at most", () => {
    const many = (count: number) => mounted(...Array.from({ length: count }, (_, at) => `s${at}`));
    assert.deepEqual(complaints({}, { mounted: many(40) }), []);
    assert.deepEqual(complaints({}, { mounted: many(41) }), [
      "vault-sync.io/secrets: the pod template refers to 41 Secrets, but at most 40 are pushed: name them",
    ]);
    assert.deepEqual(complaints(secrets("s0"), { mounted: many(41) }), []);
  });

  it("names only its own Secrets, where fleet.yaml says so", () => {
    const allows = "and push.mountedOnly of fleet.yaml allows no other";
    const given = [secrets("a", "b", "b"), { mounted: mounted("a") }] as const;
    assert.deepEqual(complaints(...given), []);
    assert.deepEqual(complaints(...given, true), [
      `vault-sync.io/secrets: Secret b is not mounted by the pod template, ${allows}`,
    ]);
    const secret = { kind: "Secret", name: "a" } as const;
    assert.deepEqual(complaints(secrets("a", "b"), secret, true), [
      `vault-sync.io/secrets: Secret b is another Secret, ${allows}`,
    ]);
    assert.deepEqual(complaints({}, secret, true), []);
  });

  it("is looked at every 30 s at most, and each year at least", () => {
    const every = (text: string) => {
      const found = of({ "vault-sync.io/reconcile": text });
      return "complaints" in found ? "refused" : [found.reconcileMs, ...found.warnings.map(({ field }) => field)];
    };
    assert.deepEqual(["off", "30s", "29.999s", "8760h"].map(every), [
      [undefined],
      [30_000],
      [30_000, "reconcile"],
      [31_536_000_000],
    ]);
    assert.deepEqual(["8760h1s", "soon", "1d"].map(every), ["refused", "refused", "refused"]);
    assert.deepEqual(complaints({ "vault-sync.io/reconcile": "soon" }), [
      'vault-sync.io/reconcile: must be off, or a duration such as "5m" or "1h30m", at most a year',
    ]);
  });

  it("is what its annotations say, and nothing else of them", () => {
    const all = {
      "vault-sync.io/preserve-on-delete": "true",
      "keyferry.dev/push-synced": "true",
      "vault-sync.io/rotation-check": "disabled",
    };
    const found = of(all);
    assert.ok("objects" in found);
    assert.deepEqual(
      [found.path, found.preserve, found.synced, found.warnings.map(({ field }) => field)],
      ["kv/a", true, true, ["rotation-check"]],
    );
    const plain = of({});
    assert.deepEqual("objects" in plain && [plain.preserve, plain.synced, plain.warnings, "reconcileMs" in plain], [
      false,
      false,
      [],
      false,
    ]);
    assert.deepEqual(pushAnnotations({ ...all, other: "1", "vault-sync.io/path": "kv/a" }), {
      ...all,
      "vault-sync.io/path": "kv/a",
    });
    assert.deepEqual(
      [isPushed({ "vault-sync.io/path": "kv/a" }), isPushed({ "vault-sync.io/path": "" }), isPushed(all)],
      [true, false, false],
    );
  });
});

describe("the Secrets of a pod template", () => {
  const OPTIONS = { projectedVolumes: true, imagePullSecrets: true };
  const env = (name: unknown, optional?: boolean) => ({
    valueFrom: { secretKeyRef: { name, key: "k", ...(optional === undefined ? {} : { optional }) } },
  });
  const pod = {
    containers: [
      {
        env: [env("env", true), {}, 7, env(7), env("Bad")],
        envFrom: [{ secretRef: { name: "from" } }, { configMapRef: { name: "map" } }],
      },
    ],
    initContainers: [{ env: [env("init"), env("env", true)] }],
    volumes: [
      { secret: { secretName: "vol", optional: true } },
      { projected: { sources: [{ secret: { name: "proj" } }, {}] } },
      { emptyDir: {} },
    ],
    imagePullSecrets: [{ name: "pull" }],
  };
  const spec = { template: { spec: pod } } as unknown as JsonObject;
  const names = (...given: Parameters<typeof mountedSecrets>) =>
    mountedSecrets(...given).map(({ name, optional }) => (optional ? `${name}?` : name));

  it("are those of its containers and volumes, and others by option, in order, each once", () => {
    assert.deepEqual(names("Deployment", spec, OPTIONS), ["env?", "from", "init", "proj", "pull", "vol?"]);
    const some = names("Deployment", spec, { projectedVolumes: false, imagePullSecrets: false });
    assert.deepEqual(some, ["env?", "from", "init", "vol?"]);
    const job = { jobTemplate: { spec } } as unknown as JsonObject;
    assert.deepEqual(names("CronJob", job, OPTIONS), names("Deployment", spec, OPTIONS));
    assert.deepEqual(
      [names("CronJob", spec, OPTIONS), names("Deployment", job, OPTIONS), names("Deployment", {}, OPTIONS)],
      [[], [], []],
    );
  });

  it("are optional only where everything does without them", () => {
    const both = (...flags: readonly boolean[]) =>
      names(
        "Deployment",
        { template: { spec: { containers: [{ env: flags.map((flag) => env("a", flag)) }] } } } as never,
        OPTIONS,
      );
    assert.deepEqual([both(true, true), both(true, false), both(false, true)], [["a?"], ["a"], ["a"]]);
  });

  it("are stored as they are, and read as nothing where they are not", () => {
    const stored = [
      { name: "a", optional: true },
      { name: "b", optional: false },
    ];
    assert.deepEqual(storedSecrets({ mounted: stored }), stored);
    assert.deepEqual(
      [storedSecrets({}), storedSecrets({ mounted: "a" }), storedSecrets({ mounted: [{ name: 7 }, 7, { name: "B" }] })],
      [[], [], []],
    );
    assert.deepEqual(storedSecrets({ mounted: [{ name: "a" }] }), [{ name: "a", optional: false }]);
    const long = Array.from({ length: 2_001 }, (_, at) => ({ name: `s${at}` }));
    assert.equal(storedSecrets({ mounted: long }).length, 2_000);
  });
});

describe("the fields of a push", () => {
  const data = (fields: Readonly<Record<string, Buffer | string>>) =>
    new Map(Object.entries(fields).map(([name, value]) => [name, SecretValue.of(value)]));
  const BINARY = Buffer.from([0xff]);
  const refused = (fields: Readonly<Record<string, Buffer | string>>) => {
    try {
      return pushFields(data(fields), "kv/a").length;
    } catch (error) {
      assert.ok(error instanceof SyncError);
      return `${error.code}: ${error.message}`;
    }
  };

  it("are text as it is, and other bytes as base64 under a name of their own", () => {
    const found = pushFields(data({ text: "ü", bytes: BINARY }), "kv/a").map(({ name, base64 }) => [name, base64]);
    assert.deepEqual(found, [
      ["text", false],
      ["bytes.b64", true],
    ]);
    assert.match(
      String(refused({ a: BINARY, "a.b64": "x" })),
      /^SECRET_REFUSED: kv\/a: the base64 of a binary value would take the name a\.b64, which is a key itself: rename it$/,
    );
  });

  it("are 1 MiB at most, names and base64 included", () => {
    assert.deepEqual(
      [refused({ a: "x".repeat(MAX_PUSH_BYTES - 1) }), refused({ a: "x".repeat(MAX_PUSH_BYTES - 3), b: "y" })],
      [1, 2],
    );
    assert.match(
      String(refused({ a: "x".repeat(MAX_PUSH_BYTES) })),
      /^SECRET_TOO_LARGE: kv\/a: 1048577 bytes of keys and values, but a path of Vault holds at most 1048576: push fewer keys$/,
    );
    const most = (MAX_PUSH_BYTES - 8) / 4;
    const bytes = (count: number) => Buffer.alloc(count, 0xff);
    assert.equal(refused({ name: bytes(Math.floor(most) * 3) }), 1);
    assert.match(String(refused({ name: bytes(Math.floor(most) * 3 + 1) })), /^SECRET_TOO_LARGE/);
  });
});
