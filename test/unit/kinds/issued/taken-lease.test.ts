import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../../lib/errors.ts";
import type { ResolvedIssued } from "../../../../lib/kinds/issued/issuing-kind.ts";
import { takenLease } from "../../../../lib/kinds/issued/taken-lease.ts";
import type { ObtainInput } from "../../../../lib/kinds/kind.ts";
import type { LeaseAnswer, RenewAnswer, TokenAnswer } from "../../../../lib/ports/vault-issues.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";
import { START } from "../../issues/an-issue.ts";
import { WAY } from "../../issues/an-issuing-vault.ts";
import { aResolved, aRun } from "./a-credential.ts";

const SECOND = 1_000;
const CACHE_KEY = "kubernetes-0123456789abcdef012345";
const AUTH = { uid: "auth", generation: 3 };
const LABELS = { cacheKey: CACHE_KEY, "auth/UID": "auth", "auth/generation": "3", "provider/namespace": "shop" };
const STATUS = { vaultClientMeta: { cacheKey: CACHE_KEY } };
const LEASE = { id: "database/creds/app/x", seconds: 600, renewable: true, requestId: "r" };
const FOUND = {
  kind: "found",
  seconds: 3_600,
  renewable: true,
  uses: 0,
  isBatch: false,
  createdAt: START - 90 * SECOND,
} as const;
const RENEWED = { kind: "renewed", seconds: 500, renewable: true } as const;
const renewed = (seconds: number): RenewAnswer & LeaseAnswer => ({ kind: "renewed", seconds, renewable: true });

interface Scene {
  readonly resolved?: Partial<ResolvedIssued>;
  readonly lease?: Partial<typeof LEASE>;
  readonly status?: JsonObject;
  readonly issuedAt?: number;
  readonly token?: TokenAnswer | (() => never);
  readonly lookedUp?: LeaseAnswer;
  readonly renewToken?: RenewAnswer;
  readonly renewLease?: RenewAnswer;
  readonly foreign?: RenewAnswer;
  readonly rights?: { readonly token: boolean; readonly lease: boolean };
  readonly own?: TokenAnswer | (() => never);
  readonly leader?: { readonly renewedAt: number };
  readonly random?: number;
}

/** What becomes of a lease of ten minutes that Vault Secrets Operator got 60 s ago. */
async function taken(given: Scene = {}) {
  const asked: string[] = [];
  const foreign: unknown[] = [];
  const { run, vault } = aRun({ resolved: { auth: AUTH, ...given.resolved } as Partial<ResolvedIssued> });
  const note = <T>(what: string, answer: T | (() => never)): T => {
    asked.push(what);
    return answer instanceof Function ? answer() : answer;
  };
  const issues = {
    ...vault.deps.issues,
    lookUpToken: async () => note<TokenAnswer>("lookUpToken", given.token ?? FOUND),
    lookUpLease: async (_way: unknown, _token: unknown, id: string) =>
      note(`lookUpLease ${id}`, given.lookedUp ?? { ...renewed(500), issuedAt: START - 60 * SECOND }),
    renewToken: async (_way: unknown, _token: unknown, seconds: number) =>
      note(`renewToken ${seconds}`, given.renewToken ?? renewed(seconds)),
    renewLease: async (_way: unknown, _token: unknown, { seconds }: { seconds: number }) =>
      note(`renewLease ${seconds}`, given.renewLease ?? renewed(seconds)),
    endRights: async () => note("endRights", given.rights ?? { token: true, lease: true }),
    renewForeign: async (lease: unknown) => {
      foreign.push(lease);
      return note("renewForeign", given.foreign ?? renewed(600));
    },
    lookUpShared: async () => note<TokenAnswer>("lookUpShared", given.own ?? { ...FOUND, seconds: 900 }),
  };
  const data = new Map([["secret", SecretValue.of(JSON.stringify({ auth: { client_token: "hvs.vso" } }))]]);
  const deps = {
    ...{ ...vault.deps, issues },
    leases: { ...vault.deps.leases, cluster: async () => ({ state: { cursors: {}, attempts: 0 } }) },
    secrets: { observe: async () => ({ labels: LABELS, data }), findHmacKey: async () => ({ kind: "absent" }) },
    clusters: { vsoLease: async () => given.leader },
  };
  const { issuedAt = START - 60 * SECOND, status = STATUS, random = 0.5 } = given;
  const input = { ...run, deps, random: () => random } as unknown as ObtainInput<ResolvedIssued>;
  const lease = await takenLease(input, { lease: { ...LEASE, ...given.lease }, issuedAt, status });
  return { ...lease, asked, foreign, vault };
}

describe("a lease of Vault Secrets Operator's whose token it stored", () => {
  it("is renewed with that token from now on", async () => {
    const { how, own, issue, asked, vault } = await taken();
    assert.deepEqual([how, own], ["token", {}]);
    assert.deepEqual(asked, [
      ...["lookUpToken", `lookUpLease ${LEASE.id}`, "renewToken 3600", "renewLease 600", "endRights"],
    ]);
    const serial = `vso-${START.toString(36)}-${(2 ** 47).toString(36)}`;
    assert.deepEqual(issue, {
      ...{ serial, state: "live", shared: true, sealedToken: `east/VaultStaticSecret/shop/db ${serial} hvs.vso` },
      ...{
        target: "put",
        askBefore: START,
        tokenSeconds: 3_600,
        tokenRenewable: true,
        endBy: "lease",
        renewWithin: 270,
      },
      vaultLease: { id: LEASE.id, seconds: 600, renewable: true, issuedAt: START },
    });
    assert.deepEqual(vault.targets.get("put"), WAY);
  });

  it("ends by itself where that token may not end it", async () => {
    assert.equal((await taken({ rights: { token: true, lease: false } })).issue.endBy, "none");
  });

  it("needs no renewal of a token that never ends, and is replaced in its time when it can't be renewed itself", async () => {
    const never = await taken({ token: { ...FOUND, seconds: 0, renewable: false } });
    assert.deepEqual([never.how, never.asked.some((what) => what.startsWith("renewToken"))], ["token", false]);
    const fixed = await taken({ lease: { renewable: false } });
    assert.deepEqual([fixed.how, fixed.asked.some((what) => what.startsWith("renewLease"))], ["token", false]);
    assert.equal(fixed.issue.vaultLease?.issuedAt, START - 60 * SECOND);
    assert.equal(fixed.own.replaceAt, START - 60 * SECOND + 402 * SECOND);
  });

  it("is left to itself when anything of the token or the lease is not as it has to be", async () => {
    const stored = "the operator's stored token";
    const cases: readonly (readonly [string, Scene])[] = [
      ["its VaultAuth is not known", { resolved: { auth: undefined } as never }],
      ["its status names no client of the operator", { status: {} }],
      [`${stored} has ended`, { token: { kind: "gone" } }],
      [`${stored} may not look itself up`, { token: { kind: "denied" } }],
      [`${stored} can't be renewed`, { token: { ...FOUND, uses: 1 } }],
      [`${stored} can't be renewed`, { token: { ...FOUND, isBatch: true } }],
      ["Vault does not know its lease any more", { lookedUp: { kind: "gone" } }],
      [`${stored} may not look up its lease`, { lookedUp: { kind: "denied" } }],
      [`${stored} is newer than its lease`, { lookedUp: { ...RENEWED, issuedAt: FOUND.createdAt - 1 } }],
      [`${stored} can't be renewed for its whole TTL any more`, { token: { ...FOUND, renewable: false } }],
      [`${stored} can't be renewed for its whole TTL any more`, { renewToken: { kind: "denied" } }],
      [`${stored} can't be renewed for its whole TTL any more`, { renewToken: renewed(3_598) }],
      ["Vault does not renew its lease any more", { renewLease: { kind: "gone" } }],
      ["Vault does not renew its lease for long any more", { renewLease: renewed(598) }],
      ["Vault does not renew its lease for long any more", { lease: { seconds: 9 }, renewLease: renewed(9) }],
    ];
    for (const [because, scene] of cases) {
      const { how, own } = await taken(scene);
      assert.deepEqual([how, own.planned], ["planned", because], because);
    }
  });

  it("is left to itself where a gateway lets no token look itself up, and waits for what a retry may mend", async () => {
    const gateway = (): never => {
      throw new SyncError("VAULT_ANSWER_INVALID", "was not answered by Vault", { outcome: "unknown" });
    };
    const { how, own, asked } = await taken({ token: gateway, own: gateway });
    assert.deepEqual([how, own.planned], ["planned", "the operator's stored token may not look itself up"]);
    assert.deepEqual(asked, ["lookUpToken", "renewForeign", "lookUpShared"]);
    const away = (): never => {
      throw new SyncError("VAULT_UNAVAILABLE", "away");
    };
    for (const scene of [{ token: away }, { token: gateway, own: away }])
      await assert.rejects(taken(scene), { code: "VAULT_UNAVAILABLE" });
  });

  it("is taken where a second less is rounding, and times are the same", async () => {
    for (const scene of [
      { renewToken: renewed(3_599) },
      { renewLease: renewed(599) },
      { lease: { seconds: 10 }, renewLease: renewed(10) },
      { lookedUp: { ...RENEWED, issuedAt: FOUND.createdAt } },
      { lookedUp: renewed(500) },
    ] as const) {
      assert.equal((await taken(scene)).how, "token", JSON.stringify(scene));
    }
  });
});

describe("a lease of Vault Secrets Operator's whose token is not known", () => {
  const unknown: Scene = { status: { ...STATUS, vaultClientMeta: {}, lastRenewalTime: START / SECOND - 30 } };
  const at = async (scene: Scene) => ((await taken({ random: 1, ...unknown, ...scene })).own.replaceAt ?? 0) - START;

  it("is renewed by keyferry's login until another credential is issued", async () => {
    const { issue, asked, foreign, how } = await taken(unknown);
    assert.deepEqual(asked, ["renewForeign", "lookUpShared"]);
    const { identity, ...rest } = foreign[0] as { readonly identity: { readonly id: string } };
    assert.deepEqual(
      [identity.id, rest],
      [
        aResolved().asks.identity.id,
        { namespace: "team", id: LEASE.id, seconds: 600, by: "east/VaultStaticSecret/shop/db" },
      ],
    );
    const serial = `vso-${START.toString(36)}-${(2 ** 47).toString(36)}`;
    assert.deepEqual(issue, {
      ...{
        serial,
        sealedToken: "",
        shared: true,
        target: "put",
        askBefore: START,
        tokenRenewable: false,
        state: "live",
      },
      ...{ tokenSeconds: 600, renewWithin: 270 },
      vaultLease: { id: LEASE.id, seconds: 600, renewable: true, issuedAt: START },
    });
    assert.equal(how, "planned");
  });

  it("is replaced before a third of a login's life is over, since the operator was seen last", async () => {
    const spread = (ms: number) => Math.floor(0.9 * ms);
    assert.equal(await at({}), spread(270 * SECOND), "a third of 900 s, 30 s of which are over");
    assert.equal(await at({ random: 0 }), 0);
    assert.equal(await at({ leader: { renewedAt: START - 10 * SECOND } }), spread(290 * SECOND));
    assert.equal(await at({ leader: { renewedAt: START - 40 * SECOND } }), spread(270 * SECOND), "an older sign");
    assert.equal(await at({ leader: { renewedAt: START } }), spread(300 * SECOND));
    assert.equal(await at({ leader: { renewedAt: START + 1 } }), spread(270 * SECOND), "a time to come is no sign");
    assert.equal(
      await at({ own: { kind: "denied" } }),
      spread(170 * SECOND),
      "the lease's time stands for the login's",
    );
    assert.equal(await at({ leader: { renewedAt: START - 300 * SECOND }, status: {} }), 0, "it may have ended already");
  });

  it("is replaced before two thirds of its own rest are over, when Vault renews it no more", async () => {
    const spread = (seconds: number) => Math.floor(0.9 * ((2 / 3) * seconds * SECOND));
    const never: Scene = { own: { ...FOUND, seconds: 0 } };
    assert.equal(await at({ ...never, foreign: renewed(300) }), spread(300));
    assert.equal(await at({ ...never, foreign: { kind: "denied" } }), spread(540), "its own time from its issue");
    assert.equal(await at({ ...never, foreign: { kind: "gone" } }), 0);
    assert.equal(await at({ ...never, lease: { renewable: false } }), spread(540));
    assert.equal(await at({ ...never, lease: { seconds: 9 }, issuedAt: START }), spread(9), "too short to be renewed");
    assert.equal(
      await at({ own: { ...FOUND, seconds: 900 }, foreign: renewed(60) }),
      spread(60),
      "the earlier of both",
    );
    assert.equal(await at({ ...never, foreign: renewed(598) }), spread(598));
  });

  it("is not renewed when its time is known or can't be changed", async () => {
    const ends = await taken({ lookedUp: { kind: "gone" } });
    assert.deepEqual(
      [ends.asked.includes("renewForeign"), ends.own.replaceAt, ends.issue.renewWithin],
      [false, START, undefined],
    );
    const until = await taken({ renewToken: renewed(90), random: 1, own: { ...FOUND, seconds: 0 } });
    assert.equal((until.own.replaceAt ?? 0) - START, Math.floor(0.9 * 60 * SECOND));
    const truncated = await taken({ renewLease: renewed(120), random: 1, own: { ...FOUND, seconds: 0 } });
    assert.equal((truncated.own.replaceAt ?? 0) - START, Math.floor(0.9 * 80 * SECOND));
    const short = await taken({ ...unknown, lease: { seconds: 0, renewable: false }, issuedAt: START });
    assert.deepEqual([short.issue.tokenSeconds, short.issue.vaultLease?.seconds], [1, 1]);
    for (const scene of [{ lease: { renewable: false } }, { lease: { seconds: 9 } }]) {
      assert.equal((await taken({ ...unknown, ...scene })).asked.includes("renewForeign"), false);
    }
    assert.equal((await taken({ ...unknown, lease: { seconds: 10 } })).asked.includes("renewForeign"), true);
  });

  it("that never ends with its token is renewed for good", async () => {
    const { own, issue } = await taken({ ...unknown, own: { ...FOUND, seconds: 0 }, foreign: renewed(599) });
    assert.deepEqual([own.replaceAt, issue.renewWithin], [Number.POSITIVE_INFINITY, 270]);
  });
});
