import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parsePush } from "../../../../lib/declarations/push/annotations.ts";
import { parseEntries } from "../../../../lib/declarations/push/entries.ts";
import { parseGoDuration } from "../../../../lib/declarations/push/go-duration.ts";
import { mountedSecrets } from "../../../../lib/declarations/push/sources.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";

const FREE = { mountedOnly: false };

function parsed(annotations: Readonly<Record<string, string>>, mounted: readonly string[] = []) {
  const named = Object.fromEntries(Object.entries(annotations).map(([name, text]) => [`vault-sync.io/${name}`, text]));
  const secrets = mounted.map((name) => ({ name, optional: false }));
  return parsePush({ kind: "Deployment", name: "app", annotations: named, mounted: secrets }, FREE);
}

describe("durations of Go", () => {
  it("are read as Go reads them", () => {
    const cases: Readonly<Record<string, number | undefined>> = {
      ...{ "5m": 300_000, "1h30m": 5_400_000, "1.5h": 5_400_000, "10s": 10_000, "0": 0, "0s": 0, "-5m": -300_000 },
      ...{
        "29.9s": 29_900,
        "1ms": 1,
        "1us": 1,
        "1µs": 1,
        "2000μs": 2,
        "1ns": 1,
        "10000h": 36_000_000_000,
        "+1s": 1_000,
        ".5s": 500,
      },
      ...{
        "1d": undefined,
        "300": undefined,
        " 5m": undefined,
        OFF: undefined,
        disabled: undefined,
        "1e3s": undefined,
      },
      ...{ "5m ": undefined, "99999999999h": undefined, s: undefined, "": undefined },
    };
    for (const [text, expected] of Object.entries(cases)) assert.equal(parseGoDuration(text), expected, text);
  });
});

describe("annotations", () => {
  it("without secrets push each mounted Secret below the path", () => {
    const push = parsed({ path: "/kv/data/app/" }, ["a", "b"]);
    assert.ok("objects" in push);
    assert.equal(push.path, "kv/data/app");
    assert.deepEqual(
      push.objects.map(({ below, entries }) => [below, entries[0]?.secret, entries[0]?.keys]),
      [
        ["a", "a", undefined],
        ["b", "b", undefined],
      ],
    );
  });

  it("preserve only by exactly true, and reconcile at least every 30 s", () => {
    const of = (more: Readonly<Record<string, string>>) => {
      const push = parsed({ path: "kv/a", ...more });
      assert.ok("objects" in push);
      return push;
    };
    assert.deepEqual(
      ["true", "TRUE", "yes", "1"].map((text) => of({ "preserve-on-delete": text }).preserve),
      [true, false, false, false],
    );
    assert.deepEqual(
      ["off", "", "5m", "0s", "-5m", "1s"].map((reconcile) => of({ reconcile }).reconcileMs),
      [undefined, undefined, 300_000, 30_000, 30_000, 30_000],
    );
    assert.deepEqual(
      of({ reconcile: "1s", "rotation-check": "disabled" }).warnings.map((one) => one.field),
      ["reconcile", "rotation-check"],
    );
  });

  it("are complained about all at once", () => {
    const push = parsed({ path: "kv/../a", secrets: "{}", reconcile: "1d" });
    assert.ok("complaints" in push);
    assert.deepEqual(
      push.complaints.map(({ path }) => path[0]),
      ["vault-sync.io/path", "vault-sync.io/secrets", "vault-sync.io/reconcile"],
    );
  });
});

describe("the list of Secrets", () => {
  it("is read as Go reads it: unknown members do no harm, names are compared without case", () => {
    const told = parseEntries('[{"Name":"db","KEYS":["a","a"],"prefix":"p_","more":1}]');
    assert.deepEqual(told, { entries: [{ secret: "db", keys: ["a"], prefix: "p_", optional: false }], misread: [0] });
    for (const text of ["null", "[]"]) assert.deepEqual(parseEntries(text), { entries: [], misread: [] });
  });

  it("is refused when two entries have one field, and for anything else that is wrong", () => {
    for (const text of [
      ...['[{"name":"a","keys":["x"]},{"name":"b","keys":["x"]}]', " ", "{}", "[1]", '[{"name":"","keys":[]}]', "7"],
      ...[
        '[{"name":"A","keys":[]}]',
        '[{"name":"a","keys":["a/b"]}]',
        '[{"name":"a","keys":7}]',
        '[{"name":"a","prefix":1}]',
      ],
      `[${Array.from({ length: 65 }, () => '{"name":"a"}').join(",")}]`,
    ]) {
      assert.ok("complaints" in parseEntries(text), text);
    }
  });
});

describe("named Secrets", () => {
  it("are complained about when no key of them is named", () => {
    for (const secrets of ["[]", "null", '[{"name":"a"}]', '[{"name":"a","keys":[]},{"name":"b","key":["c"]}]']) {
      const push = parsed({ path: "kv/a", secrets });
      assert.ok("complaints" in push, secrets);
      assert.deepEqual(push.complaints, [
        {
          path: ["vault-sync.io/secrets"],
          message:
            'names no key, and what was pushed before stays as it is: name keys, such as [{"name":"db","keys":["user"]}], or remove vault-sync.io/path to push nothing',
        },
      ]);
    }
    assert.ok("objects" in parsed({ path: "kv/a", secrets: '[{"name":"a"},{"name":"b","keys":["c"]}]' }));
  });

  it("have one warning for all entries with a member that means nothing", () => {
    const warnings = (secrets: string) => {
      const push = parsed({ path: "kv/a", secrets });
      return "warnings" in push ? push.warnings : assert.fail();
    };
    assert.deepEqual(warnings('[{"NAME":"a","Keys":["a"],"prefix":"p"}]'), []);
    const misread = '[{"name":"a","key":["a"]},{"name":"b","keys":["a"]},{"name":"c","data":{}}]';
    const message = "vault-sync.io/secrets has members without effect at [0], [2]: only name, keys and prefix count";
    assert.deepEqual(warnings(misread), [{ field: "secrets", message }]);
  });
});

describe("the Secrets of a pod template", () => {
  const pod: JsonObject = {
    containers: [
      {
        env: [{ valueFrom: { secretKeyRef: { name: "env", key: "k" } } }],
        envFrom: [{ secretRef: { name: "both", optional: true } }],
      },
    ],
    initContainers: [{ envFrom: [{ secretRef: { name: "both" } }, { secretRef: { name: "init", optional: true } }] }],
    volumes: [
      { secret: { secretName: "volume" } },
      { projected: { sources: [{ secret: { name: "projected" } }, { configMap: { name: "no" } }] } },
    ],
    imagePullSecrets: [{ name: "pull" }],
  };
  const spec = { template: { spec: pod } };
  const names = (kind: "Deployment" | "CronJob", whole: JsonObject, all: boolean) =>
    mountedSecrets(kind, whole, { projectedVolumes: all, imagePullSecrets: all });

  it("are those of the five usual places, each once; required wins over optional", () => {
    assert.deepEqual(names("Deployment", spec, false), [
      { name: "both", optional: false },
      { name: "env", optional: false },
      { name: "init", optional: true },
      { name: "volume", optional: false },
    ]);
  });

  it("by option also those of projected volumes and imagePullSecrets, and of a CronJob's template", () => {
    const found = names("CronJob", { jobTemplate: { spec } }, true).map(({ name }) => name);
    assert.deepEqual(found, ["both", "env", "init", "projected", "pull", "volume"]);
  });

  it("are none in anything that is no pod template", () => {
    for (const broken of [{}, { template: 7 }, { template: { spec: { containers: "x", volumes: [null, 1] } } }]) {
      assert.deepEqual(names("Deployment", broken as JsonObject, true), []);
    }
  });
});
