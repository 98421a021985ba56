import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { renderPath, type TemplateValues } from "../../../../lib/declarations/push/path-template.ts";
import {
  isPreserved,
  keptToClear,
  parsePushSecret,
  settingsToClear,
} from "../../../../lib/declarations/push/push-secret-declaration.ts";
import type { NamedPushIdentity, PushChoices, PushIdentity, PushSettings } from "../../../../lib/ports/fleet-push.ts";
import { complaintLines } from "../../../../lib/util/complaints.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";

const IDENTITY: PushIdentity = {
  ...({ method: "kubernetes", mount: "kubernetes", role: "push" } as const),
  ...{ serviceAccount: { name: "push" }, audiences: ["vault"] },
};
const NARROW: NamedPushIdentity = { ...IDENTITY, name: "narrow", role: "narrow" };

function settings(overrides: Partial<PushSettings> = {}): PushSettings {
  return {
    kinds: ["VaultPushSecret"],
    namespaces: { include: ["*"], exclude: [] },
    paths: ["kv/**"],
    identity: IDENTITY,
    ...{ secrets: "watch", pollEvery: "5m", conflict: "fail", deletion: "version", prefix: "none" },
    ...{ mountedOnly: false, projectedVolumes: false, imagePullSecrets: false },
    ...overrides,
  };
}

const VALUES: TemplateValues = { cluster: "east", namespace: "shop", name: "app", labels: { team: "a", empty: "" } };
const SPEC = {
  destination: { mount: "kv", path: "apps/{namespace}/{name}" },
  sources: [{ secretRef: { name: "db" } }],
};

function declared(spec: object, push: Partial<PushSettings> = {}, values: Partial<TemplateValues> = {}) {
  const parsed = parsePushSecret({ ...SPEC, ...spec } as JsonObject, { ...VALUES, ...values }, settings(push));
  assert.ok(!("complaints" in parsed), JSON.stringify(parsed));
  return parsed;
}

function complaints(spec: object, push: Partial<PushSettings> = {}, values: Partial<TemplateValues> = {}): string {
  const parsed = parsePushSecret({ ...SPEC, ...spec } as JsonObject, { ...VALUES, ...values }, settings(push));
  return "complaints" in parsed ? complaintLines(parsed.complaints, ["spec"]).join("; ") : "";
}

describe("placeholders of a path", () => {
  const problems = (template: string, values: Partial<TemplateValues> = {}): string => {
    const rendered = renderPath(template, { ...VALUES, ...values });
    return "problems" in rendered ? rendered.problems.join("; ") : rendered.path;
  };

  it("become names and values of labels", () => {
    assert.equal(problems("{cluster}/{namespace}-{name}/{labels.team}"), "east/shop-app/a");
    assert.equal(problems("{labels.example.com/team}", { labels: { "example.com/team": "B_1" } }), "B_1");
    assert.equal(problems("plain"), "plain");
  });

  it("are refused where there is no value, or one that no API server admits", () => {
    assert.match(problems("{labels.none}{labels.empty}"), /label none, which is .*; needs the label empty/);
    assert.match(problems("{labels.constructor}"), /needs the label constructor/);
    for (const team of ["..", ".", "a/b", "a/", "x".repeat(64), "%2e", "a b", "-", "a\n"])
      assert.match(problems("{labels.team}", { labels: { team } }), /needs a valid value of the label team/, team);
    for (const text of ["{uid}", "{}", "{ name }", "{labels}", "{Name}"])
      assert.match(problems(text), /must not have/, text);
    for (const text of ["{", "a}", "{name}}", "{{name}}"]) assert.match(problems(text), /only around/, text);
    assert.ok(problems(`{${"x".repeat(500)}}`).length < 250);
  });

  it("of one value each are named once", () => {
    assert.equal(problems("{uid}/{uid}").split(";").length, 1);
  });
});

describe("a VaultPushSecret", () => {
  it("is one object at one path", () => {
    const { declaration } = declared({});
    assert.deepEqual(declaration, {
      field: "spec.destination.path",
      expects: { mount: "kv" },
      path: "kv/apps/shop/app",
      objects: [{ entries: [{ secret: "db", prefix: "", optional: false }] }],
      ...{ preserve: false, synced: false, warnings: [] },
    });
  });

  it("may have slashes at the ends of mount and path, and none within", () => {
    assert.equal(declared({ destination: { mount: "/kv/", path: "/a/b/" } }).declaration.path, "kv/a/b");
    assert.deepEqual(declared({ destination: { mount: "/team/kv/", path: "a" } }).declaration.expects, {
      mount: "team/kv",
    });
    assert.match(complaints({ destination: { mount: "kv", path: "a//b" } }), /path: must not have an empty segment/);
    assert.match(complaints({ destination: { mount: "kv", path: "/" } }), /destination\.path: must not be empty/);
    assert.equal(declared({ destination: { mount: "kv", path: "sys/x" } }).declaration.path, "kv/sys/x");
  });

  it("is checked after its path is rendered: length counts then", () => {
    const long = "{labels.team}/".repeat(36);
    assert.ok(long.length <= 512);
    const labels = { team: "x".repeat(63) };
    assert.match(
      complaints({ destination: { mount: "kv", path: `${long}a` } }, {}, { labels }),
      /at most 512 characters/,
    );
  });

  it("treats null as unset, and names all fields that it does not know", () => {
    assert.equal(declared({ conflict: null, reconcile: null }).settings.conflict, "fail");
    assert.match(complaints({ a: 1, b: 2 }), /spec\.a: unknown field; spec\.b: unknown field/);
  });

  it("names keys with fields of their own, or behind a prefix", () => {
    const sources = [
      { secretRef: { name: "db" }, keys: [{ key: "__proto__", field: "x" }, { key: "b" }], prefix: "p_" },
    ];
    const [entry] = declared({ sources }).declaration.objects[0]?.entries ?? [];
    assert.deepEqual(
      [entry?.keys, entry?.fields, entry?.prefix],
      [["__proto__", "b"], new Map([["__proto__", "x"]]), "p_"],
    );
  });

  it("has at most a thousand keys, 40 sources, and a year between two reads", () => {
    const keys = Array.from({ length: 600 }, (_, at) => ({ key: `k${at}` }));
    const source = (name: string) => ({ secretRef: { name }, keys });
    assert.match(complaints({ sources: [source("a"), source("b")] }), /spec\.sources: must name at most 1000 keys/);
    const many = Array.from({ length: 41 }, (_, at) => ({ secretRef: { name: `s${at}` } }));
    assert.match(complaints({ sources: many }), /spec\.sources: must name at most 40 Secrets/);
    assert.match(complaints({ sources: [] }), /spec\.sources: must name at least one Secret/);
    assert.match(complaints({ reconcile: "9000h" }), /spec\.reconcile: must be at most a year/);
    assert.equal(declared({ reconcile: "30s" }).declaration.reconcileMs, 30_000);
  });
});

describe("choices of a VaultPushSecret", () => {
  const offered = (choices: Partial<PushChoices>): PushChoices => ({ identities: [], ...choices });

  it("may always be less than what fleet.yaml says", () => {
    const push = { conflict: "adopt", deletion: "metadata" } as const;
    for (const conflict of ["fail", "merge", "adopt"] as const)
      assert.equal(declared({ conflict }, push).settings.conflict, conflict);
    for (const deletion of ["version", "metadata"] as const)
      assert.equal(declared({ deletion }, push).settings.deletion, deletion);
    assert.equal(declared({ deletion: "preserve" }, push).declaration.preserve, true);
    assert.deepEqual(declared({}, push).settings, settings(push));
  });

  it("may be more only as far as push.choices goes", () => {
    assert.match(complaints({ conflict: "merge" }), /conflict: is more than .*: fail/);
    const merge = { choices: offered({ conflict: "merge" }) };
    assert.equal(declared({ conflict: "merge" }, merge).settings.conflict, "merge");
    assert.equal(declared({}, merge).settings.conflict, "fail");
    assert.match(complaints({ conflict: "adopt" }, merge), /conflict: is more than .*: merge/);
    assert.match(complaints({ deletion: "metadata" }, merge), /deletion: is more than .*: version/);
    const metadata = { choices: offered({ deletion: "metadata" }) };
    assert.equal(declared({ deletion: "metadata" }, metadata).settings.deletion, "metadata");
    // Choices take nothing away.
    const less = { conflict: "adopt", choices: offered({ conflict: "fail" }) } as const;
    assert.equal(declared({ conflict: "adopt" }, less).settings.conflict, "adopt");
  });

  it("of a login are those that fleet.yaml names", () => {
    const push = { choices: offered({ identities: [NARROW] }) };
    assert.equal(declared({ identity: "narrow" }, push).settings.identity.role, "narrow");
    assert.match(complaints({ identity: "push" }, push), /spec\.identity: is not the name of one of/);
  });
});

describe("a clean-up", () => {
  const push = settings({ choices: { conflict: "merge", identities: [NARROW] } });

  it("takes what was chosen and is allowed, and otherwise what fleet.yaml says", () => {
    const of = (spec: object) => settingsToClear({ spec: spec as JsonObject }, push);
    assert.deepEqual(of({}), push);
    assert.equal(of({ conflict: "merge" })?.conflict, "merge");
    assert.equal(of({ conflict: "adopt" })?.conflict, "fail");
    assert.equal(of({ conflict: 7, deletion: ["metadata"] })?.deletion, "version");
    assert.equal(of({ deletion: "metadata" })?.deletion, "version");
    assert.equal(of({ identity: "narrow" })?.identity.role, "narrow");
    assert.equal(of({ identity: "gone" }), undefined);
  });

  it("deletes a version alone where the resource chose that, and fleet.yaml would delete whole paths", () => {
    const of = (spec: JsonObject) => settingsToClear({ spec }, settings({ deletion: "metadata" }))?.deletion;
    assert.deepEqual([of({}), of({ deletion: "version" })], ["metadata", "version"]);
  });

  it("keeps what it needs of a resource that is too large, and nothing else", () => {
    const spec = { deletion: "preserve", conflict: "merge", identity: "x".repeat(64), sources: [{ a: 1 }], more: "y" };
    assert.deepEqual(keptToClear(spec), { deletion: "preserve", conflict: "merge" });
    assert.equal(isPreserved({ spec: keptToClear(spec) }), true);
    assert.equal(isPreserved({ spec: { deletion: "version" } }), false);
  });
});
