import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { circuitOfVault } from "../../../lib/circuits.ts";
import { type ErrorCode, SyncError } from "../../../lib/errors.ts";
import { referenceKey, type SyncKey, syncKey } from "../../../lib/keys.ts";
import type { JsonObject } from "../../../lib/util/json.ts";
import { aReference } from "../../builders.ts";
import { aSync, START } from "./a-sync.ts";

const ADDRESS = "https://vault.test:8200";
const CIRCUIT = circuitOfVault(ADDRESS);
const at = (kind: string, name = "default") => ({ cluster: "east", kind, namespace: "shop", name });
const conditions = (status: JsonObject | undefined) =>
  ((status?.conditions ?? []) as JsonObject[]).map(({ type, status: is }) => `${type} ${is}`);
const fail =
  (code: ErrorCode, more: object = {}) =>
  async () => {
    throw new SyncError(code, "why", more);
  };
type Given = Parameters<typeof aSync>[0];

/** The status row of a resource that syncs refer to. */
async function scene(kind: string, spec: JsonObject, given: Given = {}) {
  const key = syncKey(at(kind)) as SyncKey;
  const one = await aSync({ ...given, declared: { key, spec } });
  await one.store.putReference(aReference({ key: referenceKey(at(kind)), spec }));
  return one;
}

const aConnection = (reach: () => Promise<unknown> = async () => undefined, given: Given = {}) =>
  scene(
    "VaultConnection",
    { address: ADDRESS },
    { ...given, deps: { vault: { isKnown: () => true, giveUp: () => undefined, reach }, ...given?.deps } },
  );
const anOutage = {
  id: CIRCUIT,
  message: "away",
  since: START,
  attempts: 1,
  fence: 1,
  probeAt: START + 60_000,
} as const;

describe("the status of a VaultConnection", () => {
  it("says that its Vault answers, once, and waits for an event", async () => {
    await using one = await aConnection();
    await one.run();
    const { state, dueAt, wheel } = await one.row();
    assert.ok(conditions(one.seen.statuses[0]).includes("VaultPing True"));
    assert.deepEqual(
      [state.waitsFor, state.awaits, state.error, dueAt, wheel],
      [CIRCUIT, [`circuit:${CIRCUIT}`], undefined, undefined, undefined],
    );
    assert.deepEqual(state.seen?.hash, one.declared.hash);
    assert.deepEqual(one.seen.ran, [{ key: one.key, at: START }]);
    await one.settled((await one.row()).state, { kind: "due", at: START });
    await one.run();
    assert.equal(one.seen.statuses.length, 1);
  });

  it("says why it does not, and looks again slowly: syncs notice outages sooner", async () => {
    await using one = await aConnection(fail("VAULT_UNAVAILABLE", { circuit: CIRCUIT }));
    await one.run();
    const { state, dueAt } = await one.row();
    assert.ok(conditions(one.seen.statuses[0]).includes("VaultPing False"));
    assert.deepEqual([state.error?.code, one.seen.ran.at(-1)?.code], ["VAULT_UNAVAILABLE", "VAULT_UNAVAILABLE"]);
    assert.ok((dueAt ?? 0) >= START + 15_000, `${(dueAt ?? 0) - START}`);
  });

  it("tries another failure again as its code says", async () => {
    await using one = await aConnection(fail("VAULT_FAILED"));
    await one.run();
    assert.equal((await one.row()).dueAt, START + 500);
  });

  it("lease-table 16: asks nothing under an open circuit, tells it once, and waits for its end", async () => {
    const asked: number[] = [];
    await using one = await aConnection(async () => void asked.push(1));
    await one.store.openCircuit({ ...anOutage, code: "VAULT_UNAVAILABLE" });
    await one.run();
    const { state, dueAt } = await one.row();
    assert.deepEqual(
      [asked, state.error?.code, state.error?.message, dueAt],
      [[], "VAULT_UNAVAILABLE", "away", (await one.row()).dueAt],
    );
    assert.ok(conditions(one.seen.statuses[0]).includes("VaultPing False"));
    const settled = one.seen.settled.length;
    one.pass(60_000);
    await one.run();
    assert.deepEqual([one.seen.settled.length, asked], [settled, []]);
  });

  it("lease-table 16: tells an outage again that is another one, of another Vault, or of a changed declaration", async () => {
    for (const [why, change] of [
      ["another code", { error: { code: "VAULT_SEALED", message: "m", since: START } }],
      ["another Vault", { waitsFor: "vault:https://former.test" }],
      ["a changed declaration", { seen: { resourceVersion: "1", status: {}, hash: "former" } }],
    ] as const) {
      await using one = await aConnection();
      await one.store.openCircuit({ ...anOutage, code: "VAULT_UNAVAILABLE" });
      await one.run();
      const { state } = await one.row();
      const settled = one.seen.settled.length;
      await one.settled({ ...state, ...change }, { kind: "due", at: START });
      await one.run();
      assert.equal(one.seen.settled.length, settled + 1, why);
    }
  });

  it("asks a sealed Vault, which answers", async () => {
    const asked: number[] = [];
    await using one = await aConnection(async () => void asked.push(1));
    await one.store.openCircuit({ ...anOutage, code: "VAULT_SEALED" });
    await one.run();
    assert.deepEqual([asked.length, conditions(one.seen.statuses[0]).includes("VaultPing True")], [1, true]);
  });

  it("is of its own settings when these are wrong, and nothing is asked", async () => {
    const asked: number[] = [];
    const reach = async () => void asked.push(1);
    await using one = await scene(
      "VaultConnection",
      { address: "nonsense" },
      { deps: { vault: { isKnown: () => true, reach } } },
    );
    await one.run();
    const { state } = await one.row();
    assert.ok(conditions(one.seen.statuses[0]).includes("VaultClient False"));
    assert.deepEqual([asked, state.waitsFor, state.awaits], [[], undefined, undefined]);
    assert.notEqual(state.error, undefined);
  });

  it("that can't be written is a failure of its own", async () => {
    const writeStatus = () => {
      throw new SyncError("KUBE_DENIED", "no");
    };
    await using one = await aConnection(undefined, { writeStatus });
    await one.run();
    const { state } = await one.row();
    assert.deepEqual([state.error?.code, state.seen], ["KUBE_DENIED", undefined]);
    assert.match(one.seen.log.find((line) => line.startsWith("status-not-written")) ?? "", /KUBE_DENIED/);
    const bug = () => {
      throw new TypeError("a bug");
    };
    await using broken = await aConnection(undefined, { writeStatus: bug });
    await assert.rejects(broken.run(), TypeError);
    await using mad = await aConnection(async () => bug());
    await assert.rejects(mad.run(), TypeError);
  });
});

describe("the status of a SecretTransformation", () => {
  const rendering = (render: (...asked: readonly unknown[]) => Promise<unknown>) => ({
    deps: { templates: { render } },
  });

  it("is asked of the template engine when it has templates, and only then", async () => {
    for (const [spec, times] of [
      [{ templates: { a: { text: "{{ .Secrets }}" } } }, 1],
      [{ includes: ["^a"] }, 1],
      [{}, 0],
    ] as const) {
      const rendered: unknown[] = [];
      await using one = await scene(
        "SecretTransformation",
        spec,
        rendering(async (_, place) => rendered.push(place)),
      );
      await one.run();
      assert.deepEqual(rendered, Array(times).fill("east/shop"), JSON.stringify(spec));
      assert.ok(conditions(one.seen.statuses[0]).includes("Ready True"));
    }
  });

  it("says what is wrong with a template, and that keyferry has a bug when it has one", async () => {
    const spec = { templates: { a: { text: "{{" } } };
    await using one = await scene("SecretTransformation", spec, rendering(fail("TRANSFORM_FAILED")));
    await one.run();
    assert.deepEqual(
      [(await one.row()).state.error?.code, conditions(one.seen.statuses[0]).includes("Ready False")],
      ["TRANSFORM_FAILED", true],
    );
    const bug = async () => {
      throw new TypeError("a bug");
    };
    await using broken = await scene("SecretTransformation", spec, rendering(bug));
    await assert.rejects(broken.run(), TypeError);
  });
});

describe("the status of a VaultAuth", () => {
  const SPEC = {
    method: "kubernetes",
    mount: "kubernetes",
    kubernetes: { role: "app", serviceAccount: "default", audiences: ["vault"] },
  };

  it("names its references, and runs again when one of them appeared meanwhile", async () => {
    await using one = await scene("VaultAuth", { ...SPEC, vaultConnectionRef: "team" });
    await one.run();
    const { state } = await one.row();
    assert.deepEqual([state.error?.code, state.waitsFor], ["REFERENCE_MISSING", undefined]);
    assert.deepEqual(state.refs, [referenceKey(at("VaultConnection", "team"))]);
  });

  it("says whether a VaultAuthGlobal could be merged", async () => {
    await using one = await scene("VaultAuth", { ...SPEC, vaultAuthGlobalRef: { name: "global" } });
    await one.run();
    assert.ok(conditions(one.seen.statuses[0]).includes("Available False"));
    const connection = referenceKey({ ...at("VaultConnection"), namespace: "vso" });
    await using none = await scene("VaultAuth", SPEC);
    await none.store.putReference(aReference({ key: connection, spec: { address: ADDRESS } }));
    await none.run();
    const all = conditions(none.seen.statuses[0]);
    assert.deepEqual([all.includes("Ready True"), all.some((one) => one.startsWith("Available"))], [true, false]);
  });
});
