import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ErrorCode, type RequestOutcome, SyncError } from "../../../lib/errors.ts";
import { type Asking, askAnew, countedIssue, mustHaveRoom, wayOf } from "../../../lib/issues/ask-anew.ts";
import type { Claim } from "../../../lib/ports/claim.ts";
import { CALL_TIMEOUT_MS, LEASE_MS } from "../../../lib/ports/deps.ts";
import { type Issue, MAX_ISSUES } from "../../../lib/ports/issues.ts";
import { EMPTY_STATE, type RowState } from "../../../lib/ports/rows.ts";
import type { Lease } from "../../../lib/ports/store.ts";
import { type EndAnswer, ISSUE_TIMEOUT_MS, type VaultRequest } from "../../../lib/ports/vault-issues.ts";
import { aRow } from "../../builders.ts";
import { anIssue, START } from "./an-issue.ts";
import { type Answers, anIssuingVault, IDENTITY, ISSUED, TOKEN, WAY } from "./an-issuing-vault.ts";

const REQUEST: VaultRequest = { method: "GET", mount: "database", path: "creds/app" };
const MINUTE = 60_000;
const MAX_REQUEST_MS = 90_000;
/** The fence 36 and one half of all randomness. */
const SERIAL = "10-1dvxwqtyww";

/** One run that asks: what it asked of Vault, and what it recorded in between. */
function aRun(answers: Partial<Answers> = {}, state: Partial<RowState> = {}) {
  const vault = anIssuingVault(answers);
  let row = aRow({ fence: 36, state: { ...EMPTY_STATE, ...state } });
  const lease = { key: row.key, fence: 36, until: START + LEASE_MS } as Lease;
  const recorded: Partial<RowState>[] = [];
  const noted: Partial<RowState>[] = [];
  const learn = (learned: Partial<RowState>) => {
    row = { ...row, state: { ...row.state, ...learned } };
  };
  const claim: Claim = {
    get row() {
      return row;
    },
    isTaken: true,
    take: async () => true,
    async takeToWrite() {
      vault.asked.push("takeToWrite");
      return lease;
    },
    async record(learned) {
      vault.asked.push("record");
      recorded.push(learned);
      learn(learned);
    },
    note(learned) {
      noted.push(learned);
      learn(learned);
    },
    settle: async () => undefined,
  };
  const asking: Asking = {
    ...{ claim, identity: IDENTITY, request: REQUEST, maxRequestMs: MAX_REQUEST_MS },
    ...{ signal: new AbortController().signal, own: { asks: [1] }, ownIfNone: { asks: [] } },
  };
  return { vault, asking, lease, recorded, noted, key: row.key, run: () => askAnew(vault.deps, asking) };
}

const failing = (code: ErrorCode, outcome?: RequestOutcome) => () => {
  throw new SyncError(code, "no", outcome === undefined ? {} : { outcome });
};

function codeIs(code: ErrorCode) {
  return (error: unknown) => error instanceof SyncError && error.code === code;
}

describe("recent requests of a sync", () => {
  it("are six within ten minutes at most", () => {
    const before = (minutes: number) => START - minutes * MINUTE;
    const five = [1, 2, 3, 4, 5].map(before);
    assert.deepEqual(countedIssue(five, START), [...five, START]);
    assert.throws(() => countedIssue([...five, before(9)], START), codeIs("ISSUES_TOO_FREQUENT"));
    assert.deepEqual(countedIssue([...five, before(10)], START), [...five, START], "one is long enough ago");
  });

  it("are not those of a clock that ran ahead", () => {
    assert.deepEqual(countedIssue([START, START + 1], START), [START, START]);
  });
});

describe("room for another issue", () => {
  it("is there for four, and certificates take none", () => {
    const issues = Array.from({ length: MAX_ISSUES }, () => anIssue());
    mustHaveRoom(issues.slice(1));
    mustHaveRoom([...issues.slice(1), anIssue({ certificate: { serial: "1", mount: "pki" } })]);
    assert.throws(() => mustHaveRoom(issues), codeIs("ISSUES_UNENDED"));
  });

  it("says what is not known of what is missing", () => {
    const unknown = anIssue({ state: "ending" });
    const { vaultLease: _none, ...unanswered } = unknown;
    const says = (issues: readonly Issue[]): string => {
      try {
        mustHaveRoom(issues);
      } catch (error) {
        return String(error);
      }
      return "";
    };
    assert.match(says([anIssue(), anIssue(), anIssue(), anIssue()]), /4 credentials of this sync are still valid/);
    assert.match(says([anIssue(), anIssue(), unanswered, unanswered]), /4 requests .* of 2 nobody knows/);
  });

  it("is looked for before anything is asked", async () => {
    const issues = Array.from({ length: MAX_ISSUES }, () => anIssue());
    const { vault, run } = aRun({}, { issues });
    await assert.rejects(run(), codeIs("ISSUES_UNENDED"));
    assert.deepEqual(vault.asked, ["takeToWrite"]);
  });
});

describe("the way to an issue", () => {
  it("is the login's Vault, and both namespaces", () => {
    const { place: _place, ...target } = IDENTITY.target;
    const { namespace: _namespace, ...rootLogin } = IDENTITY;
    assert.deepEqual(wayOf(IDENTITY, REQUEST), { target, loginNamespace: "team", namespace: "team" });
    assert.deepEqual(wayOf(IDENTITY, { ...REQUEST, namespace: "team/db" }), {
      ...{ target, loginNamespace: "team", namespace: "team/db" },
    });
    assert.deepEqual(wayOf(rootLogin, REQUEST), { target });
    assert.deepEqual(wayOf(rootLogin, { ...REQUEST, namespace: "" }), { target });
    assert.deepEqual(wayOf(IDENTITY, { ...REQUEST, namespace: "" }), { target, loginNamespace: "team" });
  });

  it("keeps no source of a CA, only the CA", () => {
    const caRef = { kind: "secret", cluster: "east", namespace: "shop", name: "ca", key: "ca.crt" } as const;
    const way = wayOf({ ...IDENTITY, target: { ...IDENTITY.target, caRef, caPem: "pem" } }, REQUEST);
    assert.deepEqual(way.target, { ...WAY.target, caPem: "pem" });
  });
});

describe("a request for a credential", () => {
  it("is recorded, with its sealed token, before it is sent", async () => {
    const former = anIssue({ serial: "former" });
    const { vault, asking, recorded, noted, key, run } = aRun({}, { issues: [former] });
    const { issue, data, loggedInAt } = await run();
    assert.deepEqual(vault.asked, [
      "takeToWrite",
      "login",
      "endRights hvs.own team",
      "takeToWrite",
      "record",
      "issue hvs.own",
    ]);
    const askBefore = START + 5_000;
    const asked: Issue = {
      ...{ serial: SERIAL, state: "asking", sealedToken: `${key} ${SERIAL} hvs.own`, target: "put", askBefore },
      ...{ endAt: askBefore + ISSUE_TIMEOUT_MS + MAX_REQUEST_MS, tokenSeconds: 3_600, tokenRenewable: true },
    };
    assert.deepEqual(recorded, [{ issues: [former, asked], own: { asks: [1] } }]);
    assert.deepEqual(vault.targets.get("put"), wayOf(IDENTITY, REQUEST));
    const { endAt: _endAt, ...rest } = asked;
    assert.deepEqual(issue, { ...rest, state: "got", vaultLease: { ...ISSUED.lease, issuedAt: START } });
    assert.deepEqual([data, loggedInAt, noted], [ISSUED, START, []]);
    assert.deepEqual(vault.requests, [
      { way: wayOf(IDENTITY, REQUEST), request: { ...asking.request, startBy: askBefore } },
    ]);
  });

  it("dates the lease by the request, and the token by the login", async () => {
    const scene = aRun({
      login: () => TOKEN,
      endRights: () => {
        scene.vault.pass(2_000);
        return { token: true, lease: true };
      },
      issue: () => {
        scene.vault.pass(1_000);
        return ISSUED;
      },
    });
    const { issue, loggedInAt } = await scene.run();
    assert.deepEqual([issue.vaultLease?.issuedAt, loggedInAt], [START + 2_000, START]);
  });

  it("may have no lease", async () => {
    const { lease: _lease, ...leaseless } = ISSUED;
    const { issue } = await aRun({ issue: () => leaseless }).run();
    assert.equal("vaultLease" in issue, false);
  });

  it("starts early enough to end before the claim", async () => {
    const scene = aRun({
      endRights: () => {
        scene.vault.pass(LEASE_MS - ISSUE_TIMEOUT_MS - CALL_TIMEOUT_MS - 1_000);
        return { token: true, lease: true };
      },
    });
    await scene.run();
    const [issue] = scene.recorded[0]?.issues ?? [];
    assert.equal(issue?.askBefore, scene.lease.until - ISSUE_TIMEOUT_MS - CALL_TIMEOUT_MS);
  });

  it("is not sent when its record took too long, and its token is revoked", async () => {
    for (const [ms, isSent] of [
      [5_000, true],
      [5_001, false],
    ] as const) {
      const { vault, asking, noted, run } = aRun();
      const { record } = asking.claim;
      asking.claim.record = async (learned) => {
        await record(learned);
        vault.pass(ms);
      };
      if (isSent) await run();
      else await assert.rejects(run(), codeIs("DEADLINE_EXCEEDED"));
      assert.equal(vault.asked.at(-1), isSent ? "issue hvs.own" : "revokeToken hvs.own");
      assert.deepEqual(noted, isSent ? [] : [{ issues: [], own: { asks: [] } }]);
    }
  });
});

describe("how an issue is ended", () => {
  const endBy = async (rights: { readonly token: boolean; readonly lease: boolean }) =>
    (await aRun({ endRights: () => rights }).run()).issue.endBy;

  it("is decided before it is asked for, by what its token may do", async () => {
    assert.equal(await endBy({ token: true, lease: false }), undefined);
    assert.equal(await endBy({ token: false, lease: true }), "lease");
    assert.equal(await endBy({ token: false, lease: false }), "none");
  });

  it("is not by a batch token", async () => {
    const { vault, run } = aRun({ login: () => ({ ...TOKEN, isBatch: true }) });
    assert.equal((await run()).issue.endBy, "none");
    assert.equal(vault.asked.includes("endRights hvs.own team"), false);
  });

  it("is asked once for an identity and namespace, for ten minutes", async () => {
    const { vault, asking } = aRun();
    const rights = async (changed: Partial<Asking> = {}) => {
      const before = vault.asked.length;
      await askAnew(vault.deps, { ...asking, ...changed, claim: { ...asking.claim, row: aRow() } });
      return vault.asked.slice(before).filter((what) => what.startsWith("endRights"));
    };
    assert.deepEqual(await rights(), ["endRights hvs.own team"]);
    assert.deepEqual(await rights(), []);
    assert.deepEqual(await rights({ identity: { ...IDENTITY, id: "other" } }), ["endRights hvs.own team"]);
    assert.deepEqual(await rights({ request: { ...REQUEST, namespace: "other" } }), ["endRights hvs.own other"]);
    const { namespace: _namespace, ...rootLogin } = { ...IDENTITY, id: "root" };
    assert.equal((await rights({ identity: rootLogin })).length, 1);
    assert.equal((await rights({ identity: { ...rootLogin, namespace: "undefined" } })).length, 1);
    vault.pass(10 * MINUTE - 1);
    asking.claim.takeToWrite = async () => ({ until: START + MINUTE * MINUTE }) as Lease;
    assert.deepEqual(await rights(), []);
    vault.pass(1);
    assert.deepEqual(await rights(), ["endRights hvs.own team"]);
    assert.deepEqual(await rights(), []);
  });

  it("is remembered for a thousand at most", async () => {
    const { vault, asking } = aRun();
    const isAsked = async (id: number) => {
      vault.asked.length = 0;
      const identity = { ...IDENTITY, id: String(id) };
      await askAnew(vault.deps, { ...asking, identity, claim: { ...asking.claim, row: aRow() } });
      return vault.asked.some((what) => what.startsWith("endRights"));
    };
    for (let id = 0; id < 1_000; id++) assert.ok(await isAsked(id));
    assert.equal(await isAsked(0), false);
    assert.ok(await isAsked(1_000));
    assert.ok(await isAsked(0), "all were forgotten");
    assert.equal(await isAsked(1_000), false);
  });
});

describe("a token that is of no use", () => {
  it("is refused, and revoked at once, before anything is recorded", async () => {
    for (const changed of [{ uses: 1 }, { seconds: 59 }, { seconds: 1 }]) {
      const { vault, recorded, run } = aRun({ login: () => ({ ...TOKEN, ...changed }) });
      await assert.rejects(run(), codeIs("VAULT_TOKEN_UNUSABLE"));
      assert.deepEqual(vault.asked, ["takeToWrite", "login", "revokeToken hvs.own"]);
      assert.deepEqual(recorded, []);
    }
  });

  it("is none that never ends, or lasts a minute", async () => {
    for (const seconds of [0, 60]) await aRun({ login: () => ({ ...TOKEN, seconds }) }).run();
  });

  it("is told as such when its revocation fails", async () => {
    const login = () => ({ ...TOKEN, uses: 1 });
    const { run } = aRun({ login, revokeToken: failing("VAULT_UNAVAILABLE") });
    await assert.rejects(run(), codeIs("VAULT_TOKEN_UNUSABLE"));
  });
});

describe("a request that failed", () => {
  it("leaves nothing when Vault refused it and ends its token, and counts as none", async () => {
    const former = anIssue({ serial: "former" });
    const { vault, noted, run } = aRun({ issue: failing("VAULT_DENIED", "none") }, { issues: [former] });
    await assert.rejects(run(), codeIs("VAULT_DENIED"));
    assert.equal(vault.asked.at(-1), "revokeToken hvs.own");
    assert.deepEqual(noted, [{ issues: [former], own: { asks: [] } }]);
  });

  it("leaves a token to be ended when that failed", async () => {
    for (const [revokeToken, isBatch] of [
      [failing("VAULT_UNAVAILABLE"), false],
      [(): EndAnswer => "denied", false],
      [(): EndAnswer => "ended", true],
    ] as const) {
      const login = () => ({ ...TOKEN, isBatch });
      const { vault, noted, run } = aRun({ login, issue: failing("VAULT_DENIED", "none"), revokeToken });
      await assert.rejects(run(), codeIs("VAULT_DENIED"));
      const [issue] = noted[0]?.issues ?? [];
      assert.deepEqual([issue?.state, issue?.endAt], ["ending", START + 1_000]);
      assert.equal(issue?.goneBy, START + 3_600_000 + 30_000);
      assert.equal(vault.asked.includes("revokeToken hvs.own"), !isBatch);
    }
  });

  it("keeps its token while Vault may be at work on it", async () => {
    for (const outcome of ["unknown", undefined] as const) {
      const { vault, noted, run } = aRun({ issue: failing("VAULT_UNAVAILABLE", outcome) });
      await assert.rejects(run(), codeIs("VAULT_UNAVAILABLE"));
      assert.equal(vault.asked.at(-1), "issue hvs.own", "it is not revoked");
      const [issue] = noted[0]?.issues ?? [];
      assert.deepEqual([issue?.state, issue?.endAt], ["ending", START + 5_000 + ISSUE_TIMEOUT_MS + MAX_REQUEST_MS]);
      assert.equal("own" in (noted[0] ?? {}), false, "what was recorded before it stays");
    }
  });

  it("hides no bug", async () => {
    const bug = () => {
      throw new TypeError("bug");
    };
    const asked = aRun({ issue: bug });
    await assert.rejects(asked.run(), TypeError);
    assert.deepEqual(asked.noted, []);
    await assert.rejects(aRun({ issue: failing("VAULT_DENIED", "none"), revokeToken: bug }).run(), TypeError);
  });
});
