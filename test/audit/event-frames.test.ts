import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Effect } from "../../lib/audit/effect.ts";
import { frameMeaning } from "../../lib/audit/event-frames.ts";

interface Told {
  readonly type: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly namespace?: string;
  readonly mount?: string;
  readonly time?: string;
}

/** A frame as the documentation of Vault's event notifications describes it. */
function aFrame({ type, metadata = {}, namespace, mount = "secret/", time = "2026-01-01T00:00:00.5Z" }: Told): string {
  const [plugin = "", operation = ""] = type.split("/");
  const mountClass = { mount_class: "secret", mount_accessor: "kv_5dc4d18e", mount_path: mount };
  return JSON.stringify({
    id: "a3be9fb1-b514-519f-5b25-b6f144a8c1ce",
    source: "vault://mycluster",
    specversion: "1.0",
    type: "*",
    data: {
      event: {
        id: "a3be9fb1-b514-519f-5b25-b6f144a8c1ce",
        metadata: { modified: "true", operation, ...metadata },
      },
      event_type: type,
      ...(namespace !== undefined && { namespace }),
      plugin_info: { ...mountClass, plugin: plugin.replace(/-v\d$/, ""), version: "2" },
    },
    datacontentype: "application/cloudevents",
    time,
  });
}

const AT = Date.UTC(2026, 0, 1) + 500;
const path = (text: string, more: object = {}): Effect => ({ kind: "path", path: text, ...more });
const kv = (type: string, at: string, metadata: object = {}): Told => ({
  type,
  metadata: { path: at, data_path: at, ...metadata },
});
const database = (operation: string, name: string, at = `database/roles/${name}`): Told => ({
  ...{ type: `database/${operation}`, mount: "database/", metadata: { path: at, name } },
});
const VERSIONS = { current_version: "7", oldest_version: "3" };

const FRAMES: readonly (readonly [Told, readonly Effect[]])[] = [
  [kv("kv-v1/write", "secret/my app/db"), [path("secret/my app/db")]],
  [kv("kv-v1/delete", "secret/data/app"), [path("secret/data/app")]],
  [kv("kv-v2/data-write", "secret/data/app", VERSIONS), [path("secret/app", { version: 7 })]],
  [kv("kv-v2/data-patch", "secret/data/data/app", VERSIONS), [path("secret/data/app", { version: 7 })]],
  [kv("kv-v2/data-write", "secret/data/app", { current_version: "1" }), [path("secret/app", { version: 1 })]],
  [kv("kv-v2/data-write", "secret/data/app", { current_version: "soon" }), [path("secret/app")]],
  [kv("kv-v2/data-write", "secret/data/app", { current_version: "0" }), [path("secret/app")]],
  [kv("kv-v2/data-delete", "secret/data/app", VERSIONS), [path("secret/app")]],
  [kv("kv-v2/delete", "secret/delete/app", { ...VERSIONS, deleted_versions: "[1]" }), [path("secret/app")]],
  [kv("kv-v2/undelete", "secret/undelete/app", VERSIONS), [path("secret/app")]],
  [kv("kv-v2/destroy", "secret/destroy/100%/ü", VERSIONS), [path("secret/100%/ü")]],
  [kv("kv-v2/metadata-write", "secret/metadata/app"), [path("secret/app")]],
  [kv("kv-v2/metadata-patch", "secret/metadata/app"), [path("secret/app")]],
  [kv("kv-v2/metadata-delete", "secret/metadata/app"), [path("secret/app", { forget: true })]],
  [kv("kv-v2/config-write", "secret/config"), [{ kind: "prefix", prefix: "secret" }]],
  [
    { ...kv("kv-v2/data-write", "team/kv/data/app", VERSIONS), mount: "team/kv/" },
    [path("team/kv/app", { version: 7 })],
  ],
  [
    { ...kv("kv-v2/data-write", "secret/data/app", VERSIONS), namespace: "ns1/inner/" },
    [path("ns1/inner/secret/app", { version: 7 })],
  ],
  [{ ...kv("kv-v2/data-delete", "secret/data/app"), namespace: "" }, [path("secret/app")]],
  [database("config-write", "postgres", "database/config/postgres"), [{ kind: "prefix", prefix: "database" }]],
  [database("config-delete", "postgres", "database/config/postgres"), [{ kind: "prefix", prefix: "database" }]],
  [database("root-rotate", "postgres", "database/rotate-root/postgres"), [{ kind: "prefix", prefix: "database" }]],
  [database("rotate-root", "postgres", "database/rotate-root/postgres"), [{ kind: "prefix", prefix: "database" }]],
  [database("role-create", "app"), [path("database/creds/app")]],
  [database("role-update", "team/app"), [path("database/creds/team/app")]],
  [database("role-delete", "app"), [path("database/creds/app")]],
  [database("static-role-create", "app"), [path("database/static-creds/app")]],
  [database("static-role-update", "app"), [path("database/static-creds/app")]],
  [database("static-role-delete", "app"), [path("database/static-creds/app")]],
  [database("rotate", "app", "database/rotate-role/app"), [path("database/static-creds/app")]],
  // By Vault itself, without a request.
  [database("rotate", "app", "database"), [path("database/static-creds/app")]],
  [database("static-creds-create", "app", "database"), [path("database/static-creds/app")]],
];

const WITHOUT: readonly Told[] = [
  database("creds-create", "app", "database/creds/app"),
  database("rotate-fail", "app"),
  database("reload", "app"),
  { ...database("rotate", "app"), metadata: { name: "app", modified: "false" } },
  database("rotate", ""),
  kv("kv-v2/data-read", "secret/data/app"),
  kv("constructor", "secret/data/app"),
  kv("kv-v2/data-write", "other/data/app"),
  kv("kv-v2/data-write", "secret/data"),
  { type: "kv-v2/data-write" },
  kv("lease/revoke", "secret/data/app"),
];

describe("frames written from the documentation of sys/events/subscribe, not run against Vault Enterprise", () => {
  for (const [told, effects] of FRAMES) {
    const { type, metadata, namespace = "root" } = told;
    it(`${type} of ${metadata?.path} in ${namespace}: ${JSON.stringify(effects)}`, () => {
      assert.deepEqual(frameMeaning(aFrame(told)), { kind: "effects", effects, at: AT });
    });
  }

  it("have no effect where nothing was changed, or the event is not known", () => {
    for (const told of WITHOUT) assert.deepEqual(frameMeaning(aFrame(told)), { kind: "none" }, JSON.stringify(told));
  });

  it("are bad when they are no events", () => {
    const frame = aFrame(kv("kv-v2/data-write", "secret/data/app", VERSIONS));
    const others = ["", "[]", "null", "7", "{}", '{"data":{}}', '{"data":{"event_type":"kv-v2/data-write"}}'];
    const typeless = frame.replace('"event_type":"kv-v2/data-write",', "");
    for (const text of [...others, frame.slice(0, -9), typeless])
      assert.deepEqual(frameMeaning(text), { kind: "bad" }, text);
    assert.deepEqual(frameMeaning(frame.replace("2026-01-01T00:00:00.5Z", "soon")), {
      ...{ kind: "effects", effects: [path("secret/app", { version: 7 })] },
    });
  });
});
