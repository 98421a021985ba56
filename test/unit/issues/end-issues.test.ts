import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { endIssues, openIssue } from "../../../lib/issues/end-issues.ts";
import type { Issue } from "../../../lib/ports/issues.ts";
import type { EndAnswer } from "../../../lib/ports/vault-issues.ts";
import type { Json } from "../../../lib/util/json.ts";
import { aKey } from "../../builders.ts";
import { anIssue, leaseless, START } from "./an-issue.ts";
import { type Answers, anIssuingVault, IDENTITY, WAY } from "./an-issuing-vault.ts";

const KEY = aKey();
const ENDED = "keyferry_issues_ended_total";
const on = new AbortController().signal;

const sealed = (serial: string, of = KEY) => ({ serial, sealedToken: `${of} ${serial} hvs.${serial}` });
const ending = (changed: Partial<Issue> = {}) =>
  anIssue({ ...sealed("one"), state: "ending", endAt: START, goneBy: START + 3_600_000, ...changed });

/** Ends this one issue. */
async function end(issue: Issue, answers: Partial<Answers> = {}, key = KEY) {
  const vault = anIssuingVault(answers);
  const [left, ...rest] = await endIssues(vault.deps, key, [issue], [issue], on);
  assert.deepEqual(rest, []);
  return { vault, left };
}

const barred = (): never => {
  throw new SyncError("VAULT_ANSWER_INVALID", "was not answered by Vault", { outcome: "unknown" });
};

describe("an issue that is opened", () => {
  it("has its token and the way to its Vault", async () => {
    const { deps } = anIssuingVault();
    const opened = await openIssue(deps, KEY, ending());
    assert.deepEqual([opened?.way, opened?.token?.reveal().toString()], [WAY, "hvs.one"]);
  });

  it("is that of its declaration's clean-up as well", async () => {
    const { deps } = anIssuingVault();
    assert.ok((await openIssue(deps, `${KEY}#uid` as typeof KEY, ending()))?.token);
  });

  it("is told, and nothing of it is used, when it can't be read", async () => {
    for (const [issue, because] of [
      [ending({ target: "unknown" }), "its target is not stored"],
      [ending({ target: "unknown", shared: true }), "its target is not stored"],
      [ending({ target: "unknown", shared: true, sealedToken: "" }), "its target is not stored"],
      [ending({ sealedToken: "" }), "its token was encrypted with another key"],
      [ending({ ...sealed("one", aKey("other")) }), "its token was encrypted with another key"],
      [ending({ ...sealed("two"), serial: "one" }), "its token was encrypted with another key"],
    ] as const) {
      const { deps, said, counts } = anIssuingVault();
      assert.equal(await openIssue(deps, KEY, issue), undefined);
      assert.deepEqual(said, [`issue-unreadable: ${because}`]);
      assert.deepEqual(counts, ["keyferry_issues_unreadable_total"]);
    }
  });

  it("has no token where it was issued with a shared one", async () => {
    const { deps } = anIssuingVault();
    assert.deepEqual(await openIssue(deps, KEY, ending({ shared: true, sealedToken: "" })), { way: WAY });
  });
});

describe("the end of an issue in Vault", () => {
  it("is that of its token, with all that it issued", async () => {
    const { vault, left } = await end(ending());
    assert.equal(left, undefined);
    assert.deepEqual(vault.asked, ["revokeToken hvs.one"]);
    assert.deepEqual(vault.counts, [`${ENDED} revoked`]);
    assert.deepEqual(vault.said, ["issue-ended: revoked"]);
  });

  it("is none for a certificate that is not to be revoked", async () => {
    const { vault, left } = await end(ending({ certificate: { serial: "1", mount: "pki" }, endBy: "none" }));
    assert.deepEqual([left, vault.asked, vault.counts, vault.said], [undefined, [], [], ["issue-left: "]]);
  });

  it("is that of its lease where the token can't end itself", async () => {
    const { vault, left } = await end(ending({ endBy: "lease" }));
    assert.equal(left, undefined);
    assert.deepEqual(vault.asked, ["revokeLease hvs.one database/creds/app/x"]);
    const denied = await end(ending(), { revokeToken: () => "denied" });
    assert.equal(denied.left, undefined);
    assert.deepEqual(denied.vault.asked, ["revokeToken hvs.one", "revokeLease hvs.one database/creds/app/x"]);
  });

  it("is that of its lease where a gateway does not let the token end itself, and is tried again where neither is let through", async () => {
    const both = ["revokeToken hvs.one", "revokeLease hvs.one database/creds/app/x"];
    const { left, vault } = await end(ending(), { revokeToken: barred });
    assert.deepEqual([left, vault.asked], [undefined, both]);
    for (const revokeLease of [barred, (): EndAnswer => "denied"]) {
      const neither = await end(ending(), { revokeToken: barred, revokeLease });
      assert.deepEqual([neither.left, neither.vault.asked], [{ ...ending(), tries: 1, endAt: START + 5_000 }, both]);
    }
  });

  it("is that of its lease, then of its token, where they are in different namespaces", async () => {
    const apart = { ...WAY, loginNamespace: "" };
    const { loginNamespace: _root, ...way } = apart;
    const of = async (issue: Issue, answers: Partial<Answers> = {}) => {
      const vault = anIssuingVault(answers);
      const target = async () => way as unknown as Json;
      const deps = { ...vault.deps, leases: { ...vault.deps.leases, target } };
      const [left] = await endIssues(deps, KEY, [issue], [issue], on);
      return { vault, left };
    };
    const both = ["revokeLease hvs.one database/creds/app/x", "revokeToken hvs.one"];
    const ended = await of(ending({ endBy: "lease" }), { revokeToken: () => "denied" });
    assert.deepEqual([ended.left, ended.vault.asked], [undefined, both]);
    const apartEnded = await of(ending(), { revokeToken: barred });
    assert.deepEqual([apartEnded.left, apartEnded.vault.asked], [undefined, both], "a gateway keeps the token");
    const neither = await of(ending(), { revokeToken: barred, revokeLease: () => "denied" });
    assert.deepEqual([neither.left?.tries, neither.vault.asked], [1, both]);
    const kept = await of(ending(), { revokeLease: barred });
    assert.deepEqual([kept.left?.tries, kept.vault.asked], [1, both.slice(0, 1)], "its token can still end it later");
    const denied = await of(ending(), { revokeLease: () => "denied" });
    assert.deepEqual([denied.left?.endBy, denied.vault.asked], ["none", both]);
    const lost = await of(leaseless({ ...sealed("one"), state: "ending", endAt: START }));
    assert.deepEqual([lost.left, lost.vault.asked], [undefined, ["revokeToken hvs.one"]]);
    const shared = await of(ending({ shared: true }));
    assert.deepEqual(shared.vault.asked, ["revokeLease hvs.one database/creds/app/x"], "others have that token");
  });

  it("is asked for once where it should have come by itself: our clock may have been set", async () => {
    const asked = await end(ending({ goneBy: START }));
    assert.deepEqual([asked.left, asked.vault.asked], [undefined, ["revokeToken hvs.one"]]);
    assert.deepEqual(asked.vault.counts, [`${ENDED} revoked`]);
    const away = (): never => {
      throw new SyncError("VAULT_UNAVAILABLE", "It does not answer.");
    };
    const denied: Partial<Answers> = { revokeToken: () => "denied", revokeLease: () => "denied" };
    for (const answers of [{ revokeToken: away }, denied]) {
      const { vault, left } = await end(ending({ goneBy: START }), answers);
      assert.deepEqual([left, vault.said], [undefined, ["issue-ended: expired"]]);
    }
  });

  it("is asked of nobody when it has come by itself, with nothing to ask with or for ten minutes", async () => {
    const ofNobody = [
      { endBy: "none", goneBy: START },
      { target: "unknown", goneBy: START },
      { goneBy: START - 600_000 },
    ];
    for (const issue of ofNobody as readonly Partial<Issue>[]) {
      const { vault, left } = await end(ending(issue));
      assert.deepEqual([left, vault.asked, vault.counts.at(-1)], [undefined, [], `${ENDED} expired`]);
      assert.equal(vault.said.at(-1), "issue-ended: expired");
    }
    const { vault } = await end(ending({ goneBy: START - 599_999 }));
    assert.deepEqual(vault.asked, ["revokeToken hvs.one"]);
  });

  it("comes by itself where the token may end nothing", async () => {
    const denied: Partial<Answers> = { revokeToken: () => "denied", revokeLease: () => "denied" };
    const goneBy = START + 3_600_000;
    const { vault, left } = await end(ending(), denied);
    assert.deepEqual(left, { ...ending(), endBy: "none", endAt: goneBy, tries: 11 });
    assert.deepEqual(vault.counts, [`${ENDED} denied`]);
    assert.deepEqual(vault.said, ["issue-left-to-its-end: 2030-01-01T01:00:00.000Z"]);
    const { goneBy: _goneBy, ...endless } = leaseless({ ...sealed("one"), state: "ending", tries: 12 });
    const never = await end(endless, denied);
    assert.deepEqual(never.left, { ...endless, endBy: "none", tries: 13, endAt: START + 600_000 });
    assert.deepEqual(never.vault.asked, ["revokeToken hvs.one"]);
    assert.deepEqual(never.vault.said, ["issue-left-to-its-end: never"]);
  });

  it("is left to itself, without a question, once Vault has said so", async () => {
    const { vault, left } = await end(ending({ endBy: "none" }));
    assert.deepEqual(vault.asked, []);
    assert.deepEqual(vault.said, [], "it is not told as unreadable");
    assert.deepEqual([left?.tries, left?.endAt], [11, START + 600_000]);
    const again = await end(ending({ endBy: "none", tries: 3 }));
    assert.equal(again.left?.tries, 4);
  });

  it("is tried rarely while its token can't be read, and never dropped", async () => {
    const unknown = ending({ target: "unknown" });
    const { vault, left } = await end(unknown);
    assert.deepEqual(vault.asked, []);
    assert.deepEqual(left, { ...unknown, tries: 11, endAt: START + 600_000 });
  });

  it("is tried again when Vault does not answer", async () => {
    const away = () => {
      throw new SyncError("VAULT_UNAVAILABLE", "away");
    };
    const { vault, left } = await end(ending(), { revokeToken: away });
    assert.deepEqual(left, { ...ending(), tries: 1, endAt: START + 5_000 });
    assert.deepEqual(vault.counts, [`${ENDED} VAULT_UNAVAILABLE`]);
    assert.deepEqual(vault.said, ["issue-not-ended: VAULT_UNAVAILABLE"]);
  });

  it("hides no bug", async () => {
    const bug = () => {
      throw new TypeError("bug");
    };
    await assert.rejects(end(ending(), { revokeToken: bug }), TypeError);
  });

  it("is asked for one after the other, until the run's end, and what is not due stays", async () => {
    const stopped = new AbortController();
    const vault = anIssuingVault({
      revokeToken: () => {
        stopped.abort();
        return "ended";
      },
    });
    const [one, two, live] = [ending(), ending(sealed("two")), anIssue(sealed("live"))];
    assert.deepEqual(await endIssues(vault.deps, KEY, [one, two, live], [one, two], stopped.signal), [two, live]);
    assert.deepEqual(vault.asked, ["revokeToken hvs.one"]);
  });
});

describe("the end of a certificate", () => {
  const certificate = { serial: "17:0a", mount: "pki" };
  const shared = (changed: Partial<Issue> = {}) =>
    leaseless({
      state: "ending",
      endAt: START,
      shared: true,
      sealedToken: "",
      target: "login",
      certificate,
      ...changed,
    });
  const withLogin = (way: object) => {
    const vault = anIssuingVault();
    vault.targets.set("login", way as Json);
    return vault;
  };

  it("is its revocation by its serial number, by the login that it was issued with", async () => {
    const vault = withLogin({ ...WAY, identity: IDENTITY });
    assert.deepEqual(await endIssues(vault.deps, KEY, [shared()], [shared()], on), []);
    assert.deepEqual(vault.requests, [
      {
        identity: IDENTITY,
        request: {
          ...{ namespace: "team", method: "POST", mount: "pki", path: "revoke" },
          body: { serial_number: "17:0a" },
        },
        ...{ key: KEY, repeatable: true },
      },
    ]);
    assert.deepEqual(vault.counts, [`${ENDED} revoked`]);
  });

  it("is in the login's own namespace where none is named", async () => {
    const { namespace: _namespace, ...way } = WAY;
    const vault = withLogin({ ...way, identity: IDENTITY });
    await endIssues(vault.deps, KEY, [shared()], [shared()], on);
    const [{ request }] = vault.requests as [{ readonly request: object }];
    assert.equal("namespace" in request, false);
  });

  it("asks nothing where there is nothing to revoke, or no login", async () => {
    const { certificate: _certificate, ...bare } = shared();
    const vault = withLogin({ ...WAY, identity: IDENTITY });
    assert.deepEqual(await endIssues(vault.deps, KEY, [bare], [bare], on), []);
    const unnamed = withLogin(WAY);
    assert.deepEqual(await endIssues(unnamed.deps, KEY, [shared()], [shared()], on), []);
    assert.deepEqual([vault.asked, unnamed.asked], [[], []]);
  });
});

describe("the end of a lease whose token is not ours", () => {
  const foreign = (changed: Partial<Issue> = {}) =>
    anIssue({ state: "ending", endAt: START, shared: true, sealedToken: "", target: "login", ...changed });
  const ended = async (
    answers: Partial<Answers> = {},
    way: object = { ...WAY, identity: IDENTITY },
    issue = foreign(),
  ) => {
    const vault = anIssuingVault(answers);
    vault.targets.set("login", way as Json);
    const [left] = await endIssues(vault.deps, KEY, [issue], [issue], on);
    return { left, vault };
  };
  const lease = { identity: IDENTITY, id: "database/creds/app/x", seconds: 600, by: KEY };

  it("is asked for by the login that its target names, in the lease's namespace", async () => {
    const { left, vault } = await ended();
    assert.deepEqual([left, vault.asked], [undefined, ["revokeForeign"]]);
    assert.deepEqual(vault.requests, [{ ...lease, namespace: "team" }]);
    const { namespace: _namespace, ...way } = WAY;
    assert.deepEqual((await ended({}, { ...way, identity: IDENTITY })).vault.requests, [lease]);
  });

  it("comes by itself where that login may not", async () => {
    assert.equal((await ended({ revokeLease: () => "denied" })).left?.endBy, "none");
  });

  it("leaves the token to the others that have it", async () => {
    const { left, vault } = await ended({}, WAY, foreign(sealed("one")));
    assert.deepEqual([left, vault.asked], [undefined, ["revokeLease hvs.one database/creds/app/x"]]);
    const { vaultLease: _lease, ...bare } = foreign(sealed("one"));
    const none = await ended({}, WAY, bare);
    assert.deepEqual([none.left?.endBy, none.vault.asked], ["none", []]);
  });
});
