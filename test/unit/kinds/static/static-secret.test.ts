import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { digestKey, fingerprint } from "../../../../lib/digest.ts";
import { SyncError } from "../../../../lib/errors.ts";
import type { ResolvedStaticSecret } from "../../../../lib/kinds/static/resolve.ts";
import { staticSecret } from "../../../../lib/kinds/static/static-secret.ts";
import type { InstantState } from "../../../../lib/ports/instant-updates.ts";
import { EMPTY_STATE } from "../../../../lib/ports/rows.ts";
import type { Rendering } from "../../../../lib/ports/templates.ts";
import type { SourceData } from "../../../../lib/ports/vault.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import type { Transformation } from "../../../../lib/transform/transformation.ts";
import type { Json } from "../../../../lib/util/json.ts";
import { parseLossless } from "../../../../lib/util/lossless.ts";
import { aDeclared, aRow } from "../../../builders.ts";

type Foreseeing = Parameters<typeof staticSecret.foresee>[0];

const PLAIN: Transformation = { excludeRaw: true, templates: [], includes: [], excludes: [], missingKey: "default" };

/** The keys that the data begins with, and what the template engine was asked. */
async function begun(transformation: Transformation) {
  const asked: Rendering[] = [];
  const row = aRow({ declared: aDeclared({ labels: { tier: "gold" }, annotations: { a: "b" } }) });
  const response = parseLossless('{"data":{"x":"1","y":"2"},"metadata":{"version":3}}');
  const fields = new Map([
    ["x", "1"],
    ["y", "2"],
  ]);
  const source: SourceData = { response, fields };
  const obtained = await staticSecret.foresee({
    ...({ settings: {}, holding: {}, digestKey: {}, random: Math.random } as unknown as Pick<
      Foreseeing,
      "settings" | "holding" | "digestKey" | "random" | "source" | "isRead"
    >),
    row,
    resolved: { read: {}, transformation } as unknown as ResolvedStaticSecret,
    read: async () => source,
    templates: {
      render: async (rendering) => {
        asked.push(rendering);
        return { outputs: new Map([["made", SecretValue.of("m")]]), fields: new Set(["y"]), missing: [] };
      },
    },
    clock: () => 0,
    signal: new AbortController().signal,
  });
  if (typeof obtained === "string" || obtained.kind !== "data") throw new Error("no data");
  return { keys: [...obtained.data.keys()], asked };
}

const VERSION = { number: 3, createdTime: "2030-01-01T00:00:10Z" };
const older = { number: 2, createdTime: "2030-01-01T00:00:00Z" };
const NOW = Date.UTC(2030, 0, 1, 0, 1);

/** A run of a row that has written version 3, when Vault answers with this one. */
async function answered(given: {
  readonly version?: typeof VERSION | undefined;
  readonly own?: Json;
  readonly isApplied?: boolean;
  /** The version that the declaration names. */
  readonly pinned?: number;
  readonly refreshAfterMs?: number;
  readonly expect?: { readonly version: number; readonly at: number };
  /** Since when the node was behind. */
  readonly behindSince?: number;
  readonly fails?: SyncError;
  readonly instant?: InstantState | undefined;
  readonly instantUpdates?: boolean;
}) {
  const declared = aDeclared({});
  const { own = { version: VERSION }, isApplied = true } = given;
  const since = given.behindSince;
  const error = since === undefined ? {} : { error: { code: "REPLICA_BEHIND", message: "", since } as const };
  const state = { ...EMPTY_STATE, own, ...(isApplied ? { appliedHash: declared.hash } : {}), ...error };
  const row = aRow({ declared, state, ...(given.expect && { expect: given.expect }) });
  const source: SourceData = {
    ...{ response: {}, fields: new Map([["x", "1"]]) },
    ...("version" in given ? given.version && { version: given.version } : { version: VERSION }),
  };
  const wanted: unknown[] = [];
  const forgotten: unknown[] = [];
  const instant = {
    want: async (wish: unknown) => {
      wanted.push(wish);
      return given.instant;
    },
    forget: (key: unknown) => void forgotten.push(key),
  };
  const pinned = given.pinned ?? 0;
  const read = { mount: "kv", path: "db", engine: "kv-v2", version: pinned, identity: { id: "i" }, namespace: "team" };
  const resolved = {
    ...{ read, transformation: PLAIN, decodesBase64: false, refreshAfterMs: given.refreshAfterMs },
    ...{
      instantUpdates: given.instantUpdates ?? false,
      asks: { place: { vault: "main", path: "kv/db", role: "read" } },
    },
  };
  const run = {
    ...{
      row,
      resolved,
      clock: () => NOW,
      digestKey: digestKey(Buffer.alloc(32)),
      signal: new AbortController().signal,
    },
    read: async () => {
      if (given.fails) throw given.fails;
      return source;
    },
    ...{ claim: { row }, deps: { instant }, reached: async (identity: unknown) => identity },
  };
  const obtained = await staticSecret.obtain(run as unknown as Parameters<typeof staticSecret.obtain>[0]);
  return { obtained, wanted, forgotten, row };
}

type Data = Extract<Awaited<ReturnType<typeof answered>>["obtained"], { readonly kind: "data" }>;
const dataOf = async (given: Parameters<typeof answered>[0]) => (await answered(given)).obtained as Data;

describe("lease-table 9: an answer that is older than what was written", () => {
  const of = fingerprint("main", "kv/db");
  const written = { ...VERSION, of };
  const own = (olderSince: number, olderTimes: number) => ({ version: written, olderSince, olderTimes });

  it("is read again after 5 s, and believed once it came for 30 s", async () => {
    assert.deepEqual((await answered({ version: older, own: { version: written } })).obtained, {
      ...{ kind: "later", at: NOW + 5_000, own: own(NOW, 1) },
      because: "Vault's answer is older than the written data: keyferry reads it again soon",
    });
    const waiting = await answered({ version: older, own: own(NOW - 29_999, 6) });
    assert.deepEqual([waiting.obtained.kind, waiting.obtained.own], ["later", own(NOW - 29_999, 7)]);
    assert.deepEqual((await dataOf({ version: older, own: own(NOW - 30_000, 6) })).own, { version: { ...older, of } });
  });

  it("is not believed after an outage that lasted for so long, or a clock that was set back", async () => {
    const { obtained } = await answered({ version: older, own: own(NOW - 60_000, 5) });
    assert.deepEqual([obtained.kind, obtained.own], ["later", own(NOW - 60_000, 6)]);
    const ahead = await answered({ version: older, own: own(NOW + 60_000, 5) });
    assert.deepEqual(ahead.obtained.own, own(NOW, 6));
    const { olderTimes: _none, ...former } = own(NOW - 60_000, 1);
    assert.deepEqual((await answered({ version: older, own: former })).obtained.own, own(NOW - 60_000, 2));
  });

  it("is one after a change of the declaration, too, if what was written is of the same path", async () => {
    const given = { version: older, isApplied: false, own: { version: written } };
    assert.equal((await answered(given)).obtained.kind, "later");
    const other = { own: { version: { ...VERSION, of: fingerprint("main", "kv/other") } } };
    for (const changed of [other, { ...other, isApplied: true }, { pinned: 2 }]) {
      assert.equal((await answered({ ...given, ...changed })).obtained.kind, "data", JSON.stringify(changed));
    }
  });

  it("is one of a row of an earlier version, which knows no path, until its declaration changes", async () => {
    assert.equal((await answered({ version: older })).obtained.kind, "later");
    assert.equal((await answered({ version: older, isApplied: false })).obtained.kind, "data");
  });

  it("is none of the same time, of an unknown version, or without one that was written", async () => {
    for (const given of [
      { version: { number: 9, createdTime: VERSION.createdTime } },
      { version: older, own: {} },
      { version: undefined },
    ]) {
      assert.equal((await answered(given)).obtained.kind, "data", JSON.stringify(given));
    }
  });
});

describe("a read of a static secret", () => {
  it("remembers the version that it read, else the one before, else none", async () => {
    assert.deepEqual((await dataOf({})).own, { version: { ...VERSION, of: fingerprint("main", "kv/db") } });
    assert.deepEqual((await dataOf({ version: undefined })).own, { version: VERSION });
    assert.equal("own" in (await dataOf({ version: undefined, own: {} })), false);
  });

  it("comes again at its interval, or with the next event", async () => {
    assert.deepEqual((await dataOf({ refreshAfterMs: 60_000 })).next, { everyMs: 60_000 });
    assert.equal((await dataOf({})).next, "event");
  });

  it("lease-table 30: says which version it reached of one that an event told of", async () => {
    assert.equal((await dataOf({ expect: { version: 2, at: NOW } })).reached, 3);
    for (const given of [{}, { expect: { version: 0, at: NOW } }, { expect: { version: 2, at: NOW - 30_000 } }])
      assert.equal("reached" in (await dataOf(given)), false, JSON.stringify(given));
    await assert.rejects(answered({ expect: { version: 4, at: NOW } }), { code: "REPLICA_BEHIND" });
  });

  it("lease-table 30: is believed on a node that was behind for 30 s, and read again when the event is as old", async () => {
    const given = { refreshAfterMs: 60_000, expect: { version: 4, at: NOW }, behindSince: NOW - 30_000 };
    assert.deepEqual((await dataOf(given)).next, { at: NOW + 30_000 });
    assert.equal("reached" in (await dataOf(given)), false);
    await assert.rejects(answered({ ...given, behindSince: NOW - 29_000 }), { code: "REPLICA_BEHIND" });
  });

  it("that fails on a node that lags is told as such", async () => {
    const gone = new SyncError("VAULT_PATH_MISSING", "nothing");
    await assert.rejects(answered({ fails: gone, expect: { version: 4, at: NOW } }), { code: "REPLICA_BEHIND" });
    await assert.rejects(answered({ fails: gone }), { code: "VAULT_PATH_MISSING" });
    const bug = new TypeError("bug") as unknown as SyncError;
    await assert.rejects(answered({ fails: bug, expect: { version: 4, at: NOW } }), TypeError);
  });

  it("asks to be told of changes if its declaration wants that, and no more if it does not", async () => {
    const given = { instantUpdates: true, instant: { kind: "starting" } as const };
    const { wanted, forgotten, obtained, row } = await answered(given);
    assert.deepEqual(wanted, [{ key: row.key, identity: { id: "i" }, vault: "main", namespace: "team" }]);
    assert.deepEqual([forgotten, (obtained as Data).warnings], [[], []]);
    const none = await answered({});
    assert.deepEqual([none.wanted, none.forgotten], [[], [row.key]]);
    const refused = { kind: "refused", reason: "NotAllowed", message: "no right" } as unknown as InstantState;
    const warnings = async (more: object) =>
      (await dataOf({ instantUpdates: true, ...more })).warnings.map(({ type, status, reason, message }) => [
        type,
        status,
        reason,
        message,
      ]);
    assert.deepEqual(await warnings({ instant: refused, refreshAfterMs: 30_000 }), [
      [
        "InstantUpdates",
        "False",
        "NotAllowed",
        "spec.syncConfig.instantUpdates has no effect: no right. Meanwhile keyferry reads Vault every 30 s, by spec.refreshAfter or its default",
      ],
    ]);
    const [[, , reason, message] = []] = await warnings({ instant: undefined });
    assert.equal(reason, "NotInThisEngine");
    assert.match(message ?? "", /reads Vault when the declaration changes/);
  });
});

describe("a plan of a static secret of kv-v1", () => {
  it("does not read a path that may issue something, unless its declaration was written: that had no lease", async () => {
    const declared = aDeclared({});
    const foreseen = async (appliedHash: string) => {
      let reads = 0;
      const run = {
        row: aRow({ declared, state: { ...EMPTY_STATE, appliedHash } }),
        resolved: { read: { engine: "kv-v1" }, transformation: PLAIN },
        mayIssue: async () => true,
        clock: () => NOW,
        read: async () => {
          reads += 1;
          return { response: {}, fields: new Map([["x", "1"]]) };
        },
      };
      const seen = await staticSecret.foresee(run as unknown as Foreseeing);
      return [typeof seen === "string" ? seen : seen.kind, reads];
    };
    assert.deepEqual(await foreseen("former"), ["may-issue", 0]);
    assert.deepEqual(await foreseen(declared.hash), ["data", 1]);
  });
});

describe("the data of a static secret", () => {
  it("is Vault's fields, and the template engine is not asked, without templates and filters", async () => {
    assert.deepEqual(await begun(PLAIN), { keys: ["x", "y"], asked: [] });
  });

  it("is what the template engine makes of fields, metadata, labels and annotations", async () => {
    const templates = [{ name: "t", key: "made", text: "text" }];
    for (const more of [{ templates }, { includes: ["y"] }, { excludes: ["x"] }]) {
      const { keys, asked } = await begun({ ...PLAIN, ...more });
      assert.deepEqual(keys, ["made", "y"]);
      const [rendering] = asked;
      assert.deepEqual(rendering?.input.secrets, { x: "1", y: "2" });
      assert.deepEqual(rendering?.input.labels, { tier: "gold" });
      assert.deepEqual(rendering?.input.annotations, { a: "b" });
      assert.deepEqual({ ...PLAIN, ...rendering, input: undefined }, { ...PLAIN, ...more, input: undefined });
    }
  });
});
