import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keysWithIssues, rowsWithIssues } from "../../../lib/issues/rows-with-issues.ts";
import { cleanupKey, type SyncKey } from "../../../lib/keys.ts";
import { HANDED_OVER, TO_VSO } from "../../../lib/origins/handed-over.ts";
import type { Issue } from "../../../lib/ports/issues.ts";
import { cameBack } from "../../../lib/reconcile/came-back.ts";
import { release } from "../../../lib/reconcile/release.ts";
import { resealTokens } from "../../../lib/reconcile/reseal-tokens.ts";
import { SecretValue } from "../../../lib/secret-value.ts";
import { aCluster, aDeclared, aKey, anIssue, aPushed, aRow } from "../../builders.ts";
import { aSync, CIRCUIT, START } from "./a-sync.ts";

const MINUTE_MS = 60_000;
const CLEANUP = cleanupKey(aKey(), aDeclared().uid);

describe("a declaration that is handed over to Vault Secrets Operator", () => {
  const handed = async (issues: readonly Issue[], retentionMs?: number) => {
    const vaults = [
      {
        name: "main",
        addresses: [CIRCUIT.slice("vault:".length)],
        identities: [],
        ...(retentionMs && { retentionMs }),
      },
    ];
    const one = await aSync({ declared: { annotations: { [HANDED_OVER]: TO_VSO } }, settings: aCluster({ vaults }) });
    await one.settled({ issues, waitsFor: CIRCUIT, appliedHash: one.declared.hash }, { kind: "due", at: START });
    await one.run();
    return one;
  };

  it("leaves what it has in Vault for the retention of its Vault, renewed, and tells domain events so", async () => {
    const own = anIssue({ renewWithin: 100 });
    await using one = await handed([own], 7 * MINUTE_MS);
    const { state, renew } = await one.row(CLEANUP);
    assert.deepEqual([state.issues, state.retainUntil, renew !== undefined], [[own], START + 7 * MINUTE_MS, true]);
    assert.deepEqual([await one.exists(one.key), one.seen.did], [false, [{ handedOver: true }]]);
    assert.ok(one.seen.log.some((line) => line.startsWith("declaration-handed-over")));
  });

  it("never revokes a token that is VSO's, and gives it its certificates", async () => {
    const shared = anIssue({ serial: "shared", shared: true, endBy: "lease" });
    const certificate = anIssue({ serial: "web", shared: true, certificate: { serial: "web", mount: "pki" } });
    const ending = anIssue({ serial: "former", state: "ending", shared: true, endAt: START + 1 });
    await using one = await handed([shared, certificate, ending]);
    const { issues = [] } = (await one.row(CLEANUP)).state;
    assert.deepEqual(
      issues.map(({ serial, endBy }) => [serial, endBy]),
      [
        ["shared", "none"],
        ["former", undefined],
      ],
    );
  });

  it("leaves the row to a worker that has it", async () => {
    const one = await aSync({ declared: { annotations: { [HANDED_OVER]: TO_VSO } } });
    await using _one = one;
    await one.settled({ issues: [anIssue()] }, { kind: "due", at: START });
    const claim = async () => undefined;
    const deps = { ...one.deps, leases: { ...one.store, claim } };
    await release(deps as never, await one.row());
    assert.equal(await one.exists(one.key), true);
  });
});

describe("rows that have something in Vault", () => {
  it("are found by the targets that they name, page by page, each once", async () => {
    const pages: Readonly<Record<string, readonly (readonly SyncKey[])[]>> = {
      "target:one": [[aKey("a"), aKey("b")], [aKey("c")]],
      "target:two": [[aKey("c"), aKey("d")]],
    };
    const asked: unknown[] = [];
    const read: number[] = [];
    const leases = {
      targets: async () => ["one", "two"],
      byReference: async (ref: string, { after }: { after?: string }) => {
        asked.push([ref, after]);
        const at = after === undefined ? 0 : Number(after);
        const all = pages[ref] ?? [];
        return { items: all[at] ?? [], ...(at + 1 < all.length ? { next: String(at + 1) } : {}) };
      },
      read: async (keys: readonly SyncKey[]) => {
        read.push(keys.length);
        return new Map(keys.map((key) => [key, aRow({ key, declared: aDeclared({ key }) })]));
      },
    } as unknown as Parameters<typeof rowsWithIssues>[0];
    assert.deepEqual(
      await keysWithIssues(leases),
      ["a", "b", "c", "d"].map((name) => aKey(name)),
    );
    assert.deepEqual(asked, [
      ["target:one", undefined],
      ["target:one", "1"],
      ["target:two", undefined],
    ]);
    const rows: string[] = [];
    for await (const row of rowsWithIssues(leases)) rows.push(row.key);
    assert.deepEqual([rows.length, read], [4, [4]]);
    const many = {
      ...leases,
      targets: async () => ["one"],
      byReference: async () => ({ items: Array.from({ length: 201 }, (_, at) => aKey(`k-${at}`)) }),
    };
    read.length = 0;
    for await (const _row of rowsWithIssues(many as never)) void 0;
    assert.deepEqual(read, [100, 100, 1]);
  });
});

describe("tokens that a former key encrypted", () => {
  const sealed = (serial: string, by: string, more: Partial<Issue> = {}) =>
    anIssue({ serial, sealedToken: `${by} ${serial}`, target: "t", ...more });

  async function resealed(
    issues: readonly Issue[],
    { hasFormer = true, verify = false, isClaimed = false, key = aKey() } = {},
  ) {
    const one = await aSync();
    await one.settled({ issues, appliedHash: one.declared.hash });
    if (key !== one.key) await one.store.retire(one.key, START + MINUTE_MS, START);
    if (verify) await one.store.nudge(one.key, { now: START, verify: true, atOnce: true });
    if (isClaimed) await one.store.claim(await one.row(key), { now: START, until: START + MINUTE_MS });
    const places: string[] = [];
    const seals = {
      hasFormer: async () => hasFormer,
      sealedBy: async (text: string, of: SyncKey, serial: string) => {
        places.push(`${of} ${serial}`);
        return text.split(" ")[0];
      },
      open: async (text: string) => (text.includes("lost") ? undefined : SecretValue.of(text)),
      seal: async (_token: SecretValue, of: SyncKey, serial: string) => `present ${of} ${serial}`,
    };
    const leases = {
      ...one.store,
      targets: async () => ["t"],
      byReference: async () => ({ items: [key] }),
    };
    const deps = { ...one.deps, leases, seals } as unknown as Parameters<typeof resealTokens>[0];
    await resealTokens(deps, new AbortController().signal);
    const line = one.seen.log.find((text) => text.startsWith("tokens-resealed"));
    const row = await one.row(key);
    await one[Symbol.asyncDispose]();
    const sum = line === undefined ? undefined : JSON.parse(line.slice("tokens-resealed ".length));
    return { sum, tokens: row.state.issues?.map(({ sealedToken }) => sealedToken), row, places };
  }

  it("are encrypted anew under a claim, each bound to its declaration and issue; others stay", async () => {
    const issues = [
      sealed("a", "former"),
      sealed("b", "present"),
      sealed("c", "unknown"),
      sealed("d", "former", { sealedToken: "" }),
    ];
    const { sum, tokens, row, places } = await resealed(issues);
    assert.deepEqual(sum, { resealed: 1, left: 0, unreadable: 1 });
    assert.deepEqual(tokens, [`present ${aKey()} a`, "present b", "unknown c", ""]);
    assert.deepEqual([row.leaseUntil, row.dueAt], [undefined, undefined]);
    assert.deepEqual(
      places,
      ["a", "b", "c"].map((serial) => `${aKey()} ${serial}`),
    );
    const retired = await resealed([sealed("a", "former")], { key: CLEANUP });
    assert.deepEqual(retired.tokens, [`present ${aKey()} a`], "of a clean-up too");
  });

  it("cost nothing where there is no former key, or none of it is in use", async () => {
    assert.deepEqual((await resealed([sealed("a", "former")], { hasFormer: false })).sum, undefined);
    const { sum, row } = await resealed([sealed("a", "present"), sealed("b", "unknown")]);
    assert.deepEqual([sum, row.state.issues?.length], [{ resealed: 0, left: 0, unreadable: 1 }, 2]);
  });

  it("are left while somebody works on the row, or wants it verified", async () => {
    for (const how of [{ isClaimed: true }, { verify: true }]) {
      const { sum, tokens } = await resealed([sealed("a", "former")], how);
      assert.deepEqual([sum, tokens], [{ resealed: 0, left: 1, unreadable: 0 }, ["former a"]]);
    }
  });

  it("that can't be opened stay as they are", async () => {
    const lost = sealed("lost", "former");
    assert.deepEqual((await resealed([lost])).tokens, ["former lost"]);
  });
});

describe("lease-table 31: a declaration that came back before the clean-up of its paths", () => {
  const pushed = [aPushed("db", { digest: "d" })];
  const cleanup = (state: object = { pushed }) =>
    aRow({ key: CLEANUP, declared: aDeclared({ key: CLEANUP }), state: { ...aRow().state, ...state } });
  const back = (row: ReturnType<typeof aRow>, successor?: ReturnType<typeof aRow>) =>
    cameBack(
      { leases: { read: async ([key]) => new Map(successor && key === aKey() ? [[key, successor]] : []) as never } },
      row,
    );

  it("pushes elsewhere once it was applied or while it waits for a path, or is not known yet", async () => {
    const { hash } = aDeclared();
    const applied = aRow({ state: { ...aRow().state, appliedHash: hash } });
    const taken = { code: "PATH_TAKEN", message: "m", since: START } as const;
    assert.equal(await back(cleanup(), applied), "elsewhere");
    assert.equal(await back(cleanup(), aRow({ state: { ...aRow().state, error: taken } })), "elsewhere");
    assert.equal(
      await back(cleanup(), aRow({ state: { ...aRow().state, error: { ...taken, code: "VAULT_DENIED" } } })),
      "unknown",
    );
    assert.equal(await back(cleanup(), aRow()), "unknown");
    assert.equal(await back(cleanup()), "unknown");
  });

  it("is not in question for a row without paths, or one that is no clean-up", async () => {
    const applied = aRow({ state: { ...aRow().state, appliedHash: aDeclared().hash } });
    assert.equal(await back(cleanup({}), applied), "here");
    assert.equal(await back(cleanup({ pushed: [] }), applied), "here");
    assert.equal(await back(aRow({ state: { ...aRow().state, pushed } }), applied), "here");
  });
});
