import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { digestOf } from "../../../../lib/digest.ts";
import { issuedState } from "../../../../lib/kinds/issued/issued-state.ts";
import type { Left, LeftByVso, ResolvedIssued } from "../../../../lib/kinds/issued/issuing-kind.ts";
import { requestOf } from "../../../../lib/kinds/issued/request-of.ts";
import { foreseeTakeOver, takeOver } from "../../../../lib/kinds/issued/take-over.ts";
import type { ForeseeInput, ObtainInput } from "../../../../lib/kinds/kind.ts";
import type { RowState } from "../../../../lib/ports/rows.ts";
import { VAULT_DYNAMIC_SECRET } from "../../../../lib/resource-kinds.ts";
import type { Json, JsonObject } from "../../../../lib/util/json.ts";
import { anIssue, START } from "../../issues/an-issue.ts";
import { aResolved, aRun, HELD, KEY } from "./a-credential.ts";

const DIGEST = digestOf(KEY, HELD);
const SYNCED = { lastGeneration: 1 };
const LEFT: Left = { isPresent: true, issuedAt: START - 60_000, replaceAt: START + 60_000 };

interface Scene {
  readonly state?: Partial<RowState>;
  /** What discovery saw, and what is there now. */
  readonly seen?: JsonObject;
  readonly now?: JsonObject;
  readonly uid?: string;
  readonly isGone?: boolean;
  readonly held?: typeof HELD | undefined;
  readonly left?: Left | undefined;
  readonly annotations?: Readonly<Record<string, string>>;
}

async function taken(scene: Scene = {}) {
  const { state, seen = SYNCED, now = SYNCED, isGone = false, annotations = {} } = scene;
  const held = "held" in scene ? scene.held : HELD;
  const left = "left" in scene ? scene.left : LEFT;
  const given = aRun({ state: state ?? {}, annotations });
  const { claim, vault } = given;
  const row = { ...claim.row, declared: { ...claim.row.declared, seen: { resourceVersion: "1", status: seen } } };
  const asked: LeftByVso[] = [];
  const kind = {
    ref: VAULT_DYNAMIC_SECRET,
    left: (_run: ForeseeInput<ResolvedIssued>, found: LeftByVso) => {
      asked.push(found);
      return left;
    },
  };
  const resources = {
    get: async () => (isGone ? undefined : { uid: scene.uid ?? row.declared.uid, status: now }),
  };
  const run = {
    ...{ ...given.run, row, deps: { ...vault.deps, resources } },
    claim: { ...claim, row, record: claim.record },
    holding: { left: async () => held },
  } as unknown as ObtainInput<ResolvedIssued>;
  await takeOver(kind, run, requestOf);
  const foreseen = await foreseeTakeOver(kind, run, requestOf);
  const [recorded] = given.recorded;
  return { recorded, foreseen, asked, own: recorded && issuedState({ own: recorded.own as Json }), said: vault.said };
}

const REQUEST = requestOf(aResolved());

describe("what Vault Secrets Operator left of an issued credential", () => {
  it("becomes the row's own, as the kind reads it", async () => {
    const { recorded, own, asked, said } = await taken();
    assert.deepEqual([recorded?.digest, recorded?.issues], [DIGEST, undefined]);
    assert.deepEqual(own, {
      ...{ request: REQUEST, keys: ["password"], asks: [], issuedAt: START - 60_000, replaceAt: START + 60_000 },
      ...{ isTaken: true, isLeaseless: true },
    });
    assert.deepEqual(asked[0], { status: SYNCED, data: HELD, isSameSpec: true });
    assert.ok(said.some((line) => line.startsWith("taken-over-from-vso")));
  });

  it("is of no use for another declaration, but known to be of one", async () => {
    const { own } = await taken({ left: { ...LEFT, isPresent: false } });
    assert.deepEqual(own, { keys: ["password"], asks: [], isTaken: true, isLeaseless: true });
    assert.equal((await taken({ now: { lastGeneration: 2 } })).asked[0]?.isSameSpec, false);
  });

  it("keeps what the kind tells, and which refresh was answered", async () => {
    const left = { ...LEFT, made: { requestId: "r" }, isLeaseless: false };
    const { own } = await taken({ left, annotations: { "keyferry.dev/refresh": "3" } });
    assert.deepEqual([own?.made, own?.refresh, own?.isLeaseless], [{ requestId: "r" }, "3", undefined]);
  });

  it("has a certificate that its login revokes", async () => {
    const certificate = { serial: "17:0a", mount: "pki", seconds: 3_600 };
    const { recorded } = await taken({ left: { ...LEFT, certificate } });
    const [issue, ...others] = recorded?.issues ?? [];
    assert.deepEqual(others, []);
    assert.deepEqual(
      [
        issue?.serial,
        issue?.state,
        issue?.tokenSeconds,
        issue?.certificate,
        issue?.shared,
        issue?.digest,
        issue?.askBefore,
      ],
      ["17:0a", "live", 3_600, { serial: "17:0a", mount: "pki" }, true, DIGEST, START],
    );
  });

  it("is not looked at for a row with a history, a resource that was never synced, or one that is another now", async () => {
    const none: readonly (readonly [string, Scene])[] = [
      ["its own state", { state: { own: {} } }],
      ["an issue", { state: { issues: [anIssue()] } }],
      ["a digest", { state: { digest: "k:d" } }],
      ["never synced", { seen: {} }],
      ["no data in its Secret", { held: undefined }],
      ["nothing that its kind knows", { left: undefined }],
    ];
    for (const [why, scene] of none) {
      const { recorded, foreseen } = await taken(scene);
      assert.deepEqual([recorded, foreseen], [undefined, undefined], why);
    }
    for (const [why, scene] of [
      ["it is gone", { isGone: true }],
      ["it is another", { uid: "other" }],
      ["its status was emptied", { now: {} }],
    ] as const) {
      assert.equal((await taken(scene)).recorded, undefined, why);
    }
  });

  it("is foreseen by a plan without a request, from what discovery saw", async () => {
    const { foreseen, asked } = await taken({ left: { ...LEFT, isLeaseless: false }, seen: { lastGeneration: 7 } });
    assert.equal(foreseen?.digest, DIGEST);
    assert.deepEqual(issuedState({ own: foreseen?.own as Json }), {
      ...{ request: REQUEST, keys: ["password"], asks: [], issuedAt: START - 60_000, replaceAt: START + 60_000 },
      ...{ isTaken: true, isLeaseless: true },
    });
    assert.deepEqual(
      asked.map(({ isSameSpec }) => isSameSpec),
      [true, false],
    );
  });
});
