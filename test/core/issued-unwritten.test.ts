import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../lib/errors.ts";
import { liveIssue } from "../../lib/issues/issue-times.ts";
import { issuedState, ownIssued } from "../../lib/kinds/issued/issued-state.ts";
import type { Effect } from "./world/effects.ts";
import { aDynamicSecret, anIssuingWorld, aPkiSecret, DYNAMIC, logsIn, PKI, POLICY, statusOf } from "./world/issuing.ts";
import { deniesPatchesIn } from "./world/webhooks.ts";
import type { World } from "./world/world.ts";

/** What is issued, and what the Secret, the status and Vault tell of it. */
interface Story {
  readonly kind: string;
  readonly name: string;
  readonly given: (world: World) => Promise<void>;
  /** Which record of a run is that of Vault's answer. */
  readonly answered: number;
  /** What the Secret has of it. */
  readonly held: (world: World) => string;
  /** It is good, the status tells of it, and Vault has nothing else. */
  readonly isInStep: (world: World) => Promise<void>;
}

const DATABASE: Story = {
  ...{ kind: DYNAMIC, name: "db", answered: 2 },
  given: (world) => world.given(aDynamicSecret()),
  held: (world) => world.secret("db")?.data.username ?? "",
  async isInStep(world) {
    assert.equal(await logsIn(world), true);
    assert.equal(world.vault.liveLeases().length, 1);
    const [live] = world.vault.liveLeases();
    assert.equal(Object(statusOf(world, "db").secretLease).id, live?.id);
  },
};

const REVOKED_AT_ONCE = { "keyferry.dev/revoke-replaced": "1s" };

const CERTIFICATE: Story = {
  ...{ kind: PKI, name: "web", answered: 1 },
  given: (world) => world.given(aPkiSecret("web", { revoke: true, annotations: REVOKED_AT_ONCE })),
  held: (world) => world.secret("web")?.data["tls.crt"] ?? "",
  async isInStep(world) {
    const valid = world.vault.certificates().filter(({ revokedAt }) => revokedAt === undefined);
    assert.deepEqual(
      valid.map(({ serial }) => serial),
      [statusOf(world, "web", PKI).serialNumber],
    );
    const live = liveIssue((await world.row("web", PKI))?.state ?? {});
    assert.equal(live?.certificate?.serial, valid[0]?.serial);
  },
};

const refreshed = (world: World, { kind, name }: Story) =>
  world.edit(kind, name, { metadata: { annotations: { "keyferry.dev/refresh": "1" } } });

/** The next write of a credential in use is refused, and so is what comes after it. */
const THEN: Readonly<Record<string, (world: World) => void>> = {
  "a rehearsal that is refused": () => undefined,
  "an outage of Vault": (world) => {
    world.cluster().fault = undefined;
    world.vault.fail("refused");
  },
};

describe("a credential that could not be written", () => {
  for (const story of [DATABASE, CERTIFICATE]) {
    for (const [what, then] of Object.entries(THEN)) {
      it(`and ${what} after it: the edit is not forgotten (${story.kind})`, async () => {
        await using world = await anIssuingWorld();
        await story.given(world);
        await world.advance("10s");
        const first = story.held(world);
        world.cluster().fault = deniesPatchesIn("shop");
        await refreshed(world, story);
        await world.advance("1500ms");
        assert.match(world.condition(story.name, "Ready", story.kind), /^False/);
        then(world);
        await world.advance("60s");
        assert.equal(story.held(world), first);
        assert.match(world.condition(story.name, "Ready", story.kind), /^False/);
        world.cluster().fault = undefined;
        world.vault.fail(undefined);
        await world.advance("15m");
        assert.notEqual(story.held(world), first, "the edit asked for another one");
        assert.match(world.condition(story.name, "Ready", story.kind), /^True/);
        await story.isInStep(world);
      });
    }

    it(`because the lease table did not record it: the edit is not forgotten (${story.kind})`, async () => {
      await using world = await anIssuingWorld();
      await story.given(world);
      await world.advance("10s");
      const first = story.held(world);
      world.crash();
      let records = 0;
      world.start({ effect: failingRecord(() => ++records === story.answered) });
      await refreshed(world, story);
      await world.advance("15m");
      assert.ok(world.log.some(({ event, fields }) => event === "sync-failed" && fields?.code === "STORE_UNAVAILABLE"));
      assert.notEqual(story.held(world), first);
      assert.match(world.condition(story.name, "Ready", story.kind), /^True/);
      await story.isInStep(world);
    });
  }
});

describe("a row of a former version that forgot an edit", () => {
  for (const story of [DATABASE, CERTIFICATE]) {
    it(`gets another credential, and once (${story.kind})`, async () => {
      await using world = await anIssuingWorld();
      await story.given(world);
      await world.advance("10s");
      const first = story.held(world);
      world.crash();
      const row = (await world.row(story.name, story.kind)) ?? assert.fail();
      const { issuedAt = 0, made, ...own } = issuedState(row.state);
      const forgot = { ...own, issuedAt: issuedAt + 1_000, made: { ...made, serial: "17:0a" } };
      const now = world.time.now();
      const { lease } = (await world.store.claim(row, { now, until: now + 1 })) ?? assert.fail();
      const state = { ...row.state, own: ownIssued(forgot) };
      await world.store.settle(lease, { state, schedule: { kind: "due", at: now }, now });
      world.start();
      await world.advance("15m");
      assert.notEqual(story.held(world), first);
      const asked = world.log.filter(({ event }) => event === "credential-asked-for");
      assert.deepEqual(
        asked.map(({ fields }) => fields?.because),
        ["there is none", "an earlier answer was not written"],
      );
      await story.isInStep(world);
    });
  }
});

describe("the first certificate of a declaration that could not be written", () => {
  const known = async (world: World) =>
    (await world.row("web", PKI))?.state.issues?.map(({ certificate, state }) => [certificate?.serial, state]) ?? [];

  for (const mayRevoke of [true, false]) {
    it(`is ${mayRevoke ? "revoked" : "to be revoked"}, and never counts as the one in use`, async () => {
      await using world = await anIssuingWorld();
      if (!mayRevoke) await world.vault.writePolicy("app", POLICY.replace("pki/revoke", "pki/other"));
      world.cluster().fault = deniesPatchesIn("shop");
      await CERTIFICATE.given(world);
      await world.advance("2s");
      const [first] = world.vault.certificates();
      assert.deepEqual(await known(world), [[first?.serial, "got"]]);
      await world.advance("1m");
      assert.equal(first?.revokedAt === undefined, !mayRevoke);
      assert.deepEqual(await known(world), mayRevoke ? [] : [[first?.serial, "ending"]]);
      await world.vault.writePolicy("app", POLICY);
      world.cluster().fault = undefined;
      await world.advance("15m");
      assert.match(world.condition("web", "Ready", PKI), /^True/);
      await CERTIFICATE.isInStep(world);
    });
  }
});

/** The store does not record this: a request, or the answer to it. */
function failingRecord(fails: () => boolean): Effect {
  return async (name, work) => {
    if (name === "store record" && fails()) throw new SyncError("STORE_UNAVAILABLE", "the table does not answer");
    return work();
  };
}
