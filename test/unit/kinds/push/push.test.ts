import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { storedFields } from "../../../../lib/destinations/vault/bodies.ts";
import { digestKey, digestOf } from "../../../../lib/digest.ts";
import { syncKey } from "../../../../lib/keys.ts";
import type { ForeseeInput, Obtained } from "../../../../lib/kinds/kind.ts";
import { PUSHES } from "../../../../lib/kinds/push/push.ts";
import type { ResolvedPush } from "../../../../lib/kinds/push/resolve.ts";
import { EMPTY_STATE, type Pushed } from "../../../../lib/ports/rows.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import { aDeclared, aPushed, aRow } from "../../../builders.ts";
import { IDENTITY } from "../../issues/an-issuing-vault.ts";

const NOW = Date.UTC(2030, 0, 1);
const KEY = digestKey(Buffer.alloc(32, 1));
const ROW_KEY = syncKey({ cluster: "east", kind: "Deployment", namespace: "shop", name: "app" });
const digest = (text: string) =>
  digestOf(KEY, storedFields(new Map([["a", { value: SecretValue.of(text), base64: false }]])));
const MOUNT = { mount: "kv", engine: "kv-v2" } as const;

interface Given {
  readonly pushed?: readonly Pushed[];
  readonly isApplied?: boolean;
  readonly verify?: boolean;
  readonly isUnverified?: true;
  readonly reconcileMs?: number;
  readonly refreshAfterMs?: number;
  readonly mount?: typeof MOUNT | undefined;
  readonly below?: readonly string[];
  readonly warnings?: readonly object[];
  readonly optional?: boolean;
  readonly isThere?: boolean;
}

async function obtained({
  pushed = [aPushed("db", { digest: digest("1"), wroteAt: NOW - 10_000 })],
  isApplied = true,
  ...given
}: Given = {}) {
  const declared = aDeclared({ key: ROW_KEY });
  const { below = [""], isThere = true, optional = false } = given;
  const mount = "mount" in given ? given.mount : MOUNT;
  const left = given.isUnverified ? { isUnverified: given.isUnverified } : {};
  const state = { ...EMPTY_STATE, pushed, ...left, ...(isApplied ? { appliedHash: declared.hash } : {}) };
  const objects = below.map((name) => ({ below: name, entries: [{ secret: "db", prefix: "", optional }] }));
  const located = below.map((name) => ({
    name,
    at: { ...MOUNT, path: ["db", name].filter(Boolean).join("/") },
    pushed: aPushed(["db", name].filter(Boolean).join("/")),
  }));
  const { reconcileMs, refreshAfterMs, warnings = [] } = given;
  const resolved = {
    declaration: {
      objects,
      synced: false,
      warnings,
      path: "kv/db",
      ...(reconcileMs === undefined ? {} : { reconcileMs }),
    },
    ...{ asks: { identity: IDENTITY }, located, refreshAfterMs, ...(mount && { mount }) },
  };
  const run = {
    ...{ row: aRow({ declared, state, verify: given.verify ?? false }), resolved, clock: () => NOW, digestKey: KEY },
    source: async () =>
      isThere
        ? {
            resourceVersion: "7",
            deleting: false,
            labels: {},
            ownerReferences: [],
            managed: { ours: false, vso: false },
            data: new Map([["a", SecretValue.of("1")]]),
          }
        : undefined,
    isRead: async () => false,
  } as unknown as ForeseeInput<ResolvedPush>;
  const kind = PUSHES[0] ?? assert.fail();
  return (await kind.foresee(run)) as Obtained;
}

type Data = Extract<Obtained, { readonly kind: "data" }>;
const later = NOW + 20_000;

describe("a push", () => {
  it("has what it takes, its mount and the versions that it took", async () => {
    const { data, next, own, warnings } = (await obtained()) as Data;
    assert.deepEqual([[...data.keys()], next, warnings], [["/", "/a"], "event", []]);
    const { mount, sources, of } = own as { mount: object; sources: object; of: unknown };
    assert.deepEqual([mount, sources, typeof of], [MOUNT, { db: "7" }, "string"]);
    assert.equal("own" in (await obtained({ mount: undefined })), false);
  });

  it("waits until its paths may be written again, if it would write or read any", async () => {
    const waits = async (given: Given) => {
      const found = await obtained(given);
      return found.kind === "later" ? found.at : found.kind;
    };
    assert.equal(await waits({}), "data", "nothing changed");
    const old = (changed: Partial<Pushed> = {}) => [
      aPushed("db", { digest: digest("1"), wroteAt: NOW - 10_000, ...changed }),
    ];
    for (const [why, given] of [
      ["its data changed", { pushed: old({ digest: digest("0") }) }],
      ["the path was never written", { pushed: [aPushed("other", { digest: digest("1"), wroteAt: NOW - 10_000 })] }],
      ["another mount", { pushed: old({ mount: "other" }) }],
      ["another Vault", { pushed: old({ vault: "other" }) }],
      ["its declaration changed", { isApplied: false }],
      ["it was asked for", { verify: true }],
      ["it was asked for, and the run that met it failed", { isUnverified: true }],
      ["it looks each time", { reconcileMs: 60_000 }],
      ["one of its objects is new", { below: ["", "more"] }],
    ] as const) {
      assert.equal(await waits(given as Given), later, why);
    }
    const found = await obtained({ verify: true });
    assert.deepEqual(found.kind === "later" && (found.own as { sources: object }).sources, { db: "7" });
    assert.deepEqual((await obtained({ verify: true, mount: undefined })).own, {});
    assert.equal(await waits({ verify: true, pushed: old({ wroteAt: NOW - 30_000 }) }), "data");
  });

  it("has nothing to do for an object that is optional, not there, and was never written", async () => {
    const gone = { optional: true, isThere: false } as const;
    assert.equal((await obtained({ ...gone, pushed: [aPushed("db", { wroteAt: NOW - 10_000 })] })).kind, "data");
    assert.equal((await obtained(gone)).kind, "later", "it was written, and is to go");
  });

  it("comes again at its interval, once more after a new declaration, else with the next event", async () => {
    const next = async (given: Given) => ((await obtained({ pushed: [], ...given })) as Data).next;
    assert.deepEqual(await next({ refreshAfterMs: 60_000 }), { everyMs: 60_000 });
    assert.deepEqual(await next({ isApplied: false }), { at: NOW + 5_000 });
    assert.equal(await next({}), "event");
  });

  it("tells annotations that are of no use", async () => {
    const warnings = [
      { field: "reconcile", message: "too short" },
      { field: "rotation-check", message: "of no effect" },
      { field: "secrets", message: "has more" },
    ];
    assert.deepEqual(((await obtained({ warnings })) as Data).warnings, [
      { type: "ReconcileInterval", status: "False", reason: "TooShort", message: "too short" },
      { type: "RotationCheck", status: "False", reason: "NoEffect", message: "of no effect" },
      { type: "SecretsMembers", status: "False", reason: "NoEffect", message: "has more" },
    ]);
  });
});
