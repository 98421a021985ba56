import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  dueEnds,
  endedLater,
  endingAt,
  endingByItself,
  endingUnanswered,
  isKept,
  isOver,
  liveIssue,
  nextEnd,
  renewable,
  renewSlotOf,
  renewsToken,
  renewWithinOf,
  replaceAtOf,
  withIssues,
} from "../../../lib/issues/issue-times.ts";
import { phaseOf } from "../../../lib/schedule/wheel.ts";
import { aLease, anIssue, leaseless, START } from "./an-issue.ts";

const PERCENT = 67;

describe("what of an issue is renewed", () => {
  it("is its lease and its token, as far as Vault allows", () => {
    assert.deepEqual(renewable(anIssue()), { lease: true, token: true });
    const fixed = aLease({ renewable: false });
    assert.deepEqual(renewable(anIssue({ vaultLease: fixed, tokenRenewable: false })), { lease: false, token: false });
    assert.deepEqual(renewable(leaseless()), { lease: false, token: true });
    assert.deepEqual(renewable(anIssue({ tokenSeconds: 0 })), { lease: true, token: false }, "it never ends");
    assert.deepEqual(renewable(anIssue({ tokenSeconds: 1 })), { lease: true, token: true });
  });

  it("is renewed within less than half of the shorter TTL, so that one lost message loses nothing", () => {
    assert.equal(renewWithinOf(anIssue(), PERCENT), 270);
    assert.equal(renewWithinOf(anIssue(), 20), 120, "sooner where the declaration asks for it");
    for (const percent of [0, 1, 5]) assert.equal(renewWithinOf(anIssue(), percent), 30, "never at less than 5 %");
    assert.equal(renewWithinOf(anIssue({ tokenSeconds: 100 }), PERCENT), 45);
    assert.equal(renewWithinOf(anIssue({ tokenSeconds: 99 }), PERCENT), 44, "whole seconds");
    assert.equal(renewWithinOf(leaseless(), PERCENT), 1_620);
    assert.equal(renewWithinOf(anIssue({ tokenRenewable: false }), PERCENT), 270);
    const fixed = aLease({ renewable: false });
    assert.equal(renewWithinOf(anIssue({ vaultLease: fixed }), PERCENT), 1_620);
  });

  it("is renewed every 4 s at most", () => {
    assert.equal(renewWithinOf(anIssue({ vaultLease: aLease({ seconds: 6 }) }), PERCENT), 4);
  });

  it("has no time where nothing can be renewed", () => {
    const fixed = aLease({ renewable: false });
    assert.equal(renewWithinOf(anIssue({ vaultLease: fixed, tokenRenewable: false }), PERCENT), undefined);
  });
});

describe("when an issue is replaced", () => {
  const LOGIN = START - 10_000;

  it("is left to Vault while both parts can be renewed", () => {
    assert.equal(replaceAtOf(anIssue(), LOGIN, PERCENT), undefined);
    assert.equal(replaceAtOf(leaseless(), LOGIN, PERCENT), undefined);
    assert.equal(replaceAtOf(anIssue({ tokenSeconds: 0 }), LOGIN, PERCENT), undefined, "its token never ends");
  });

  it("is a share of the life of the part that can't be, from its own begin", () => {
    const fixed = aLease({ renewable: false, seconds: 601 });
    assert.equal(replaceAtOf(anIssue({ vaultLease: fixed }), LOGIN, 33), START + 198_330);
    assert.equal(replaceAtOf(anIssue({ tokenRenewable: false }), LOGIN, PERCENT), LOGIN + 2_412_000);
    assert.equal(replaceAtOf(anIssue({ tokenSeconds: 1, tokenRenewable: false }), LOGIN, PERCENT), LOGIN + 670);
  });

  it("is the earlier of two", () => {
    const both = (seconds: number) =>
      anIssue({ vaultLease: aLease({ renewable: false, seconds }), tokenRenewable: false });
    assert.equal(replaceAtOf(both(600), LOGIN, PERCENT), START + 402_000);
    assert.equal(replaceAtOf(both(7_200), LOGIN, PERCENT), LOGIN + 2_412_000);
  });
});

describe("the renewals of a row", () => {
  it("keep what is answered, in use, or not replaced everywhere yet", () => {
    const kept = { renewWithin: 270 };
    assert.equal(isKept(anIssue(kept), START), true);
    assert.equal(isKept(anIssue({ ...kept, state: "got" }), START), true);
    assert.equal(isKept(anIssue(), START), false, "nothing of it can be renewed");
    assert.equal(isKept(anIssue({ ...kept, state: "asking" }), START), false);
    assert.equal(isKept(anIssue({ ...kept, state: "asking", endAt: START + 1 }), START), false);
    assert.equal(isKept(anIssue({ ...kept, state: "ending", endAt: START + 1 }), START), true);
    assert.equal(isKept(anIssue({ ...kept, state: "ending", endAt: START }), START), false);
    assert.equal(isKept(anIssue({ ...kept, state: "ending" }), 0), false);
    assert.equal(isKept(anIssue({ ...kept, state: "ending", endAt: START, inUseUntil: START }), START), true);
  });

  it("have a slot that is enough for the most urgent one, at a phase of the row's own", () => {
    const [KEY, OTHER] = ["east/VaultDynamicSecret/shop/db", "east/VaultDynamicSecret/shop/cache"];
    const slot = renewSlotOf(KEY, [anIssue({ renewWithin: 270 }), anIssue({ renewWithin: 20 })], START);
    assert.deepEqual(slot, { period: 20, phase: phaseOf(KEY, 20) });
    assert.notDeepEqual(slot, renewSlotOf(OTHER, [anIssue({ renewWithin: 20 })], START));
    assert.deepEqual(renewSlotOf(KEY, [anIssue({ renewWithin: 4 })], START), { period: 4, phase: phaseOf(KEY, 4) });
    assert.deepEqual(renewSlotOf(KEY, [anIssue({ renewWithin: 3 })], START), { period: 4, phase: phaseOf(KEY, 4) });
    assert.equal(renewSlotOf(KEY, [anIssue(), anIssue({ renewWithin: 20, state: "asking" })], START), "off");
    assert.equal(renewSlotOf(KEY, [], START), "off");
  });

  it("reach the token in each k-th slot, as often as its own TTL needs it", () => {
    const slots = Array.from({ length: 6 }, (_, at) => START + at * 100_000);
    const period = { period: 100, phase: 0 };
    const inSlots = (tokenSeconds: number) => slots.filter((at) => renewsToken(anIssue({ tokenSeconds }), period, at));
    assert.deepEqual(inSlots(1), slots, "a shorter TTL than the slot: in each of them");
    assert.deepEqual(inSlots(222), slots);
    assert.equal(inSlots(445).length, 3);
    assert.equal(inSlots(668).length, 2);
    const [first = 0] = inSlots(668);
    assert.equal(renewsToken(anIssue({ tokenSeconds: 668 }), period, first + 99_999), true, "all of its slot");
    assert.equal(renewsToken(anIssue({ tokenSeconds: 668 }), period, first + 100_000), false);
  });
});

describe("the end of an issue", () => {
  it("comes after a request that may still be under way", () => {
    const asking = leaseless({ state: "asking", endAt: START + 120_000 });
    assert.deepEqual(endingUnanswered(asking), {
      ...asking,
      state: "ending",
      goneBy: START + 120_000 + 3_600_000 + 30_000,
    });
    assert.equal(endingUnanswered(leaseless({ state: "asking" })).endAt, START - 60_000, "no time is known: at once");
  });

  it("comes by itself, half a minute after its lease, or after its token where there may be an unknown one", () => {
    assert.deepEqual(endingAt(anIssue(), START + 5, START), {
      ...anIssue({ state: "ending" }),
      endAt: START + 5,
      goneBy: START + 600_000 + 30_000,
    });
    assert.equal(endingAt(leaseless(), START, START).goneBy, START + 3_600_000 + 30_000);
  });

  it("never comes by itself where the token has none, and its lease is not known", () => {
    assert.equal("goneBy" in endingAt({ ...leaseless(), tokenSeconds: 0 }, START, START), false);
  });

  it("is left to the lease, or to the token where there is none", () => {
    assert.equal(endingByItself(anIssue(), START).endAt, START + 600_000);
    assert.equal(endingByItself(leaseless(), START).endAt, START + 3_600_000);
    assert.equal(endingByItself(anIssue(), START).state, "ending");
    const certificate = leaseless({ certificate: { serial: "17:0a", mount: "pki" }, askBefore: START - 600_000 });
    const { endAt, goneBy } = endingByItself(certificate, START);
    assert.deepEqual([endAt, goneBy], [START + 3_000_000, START + 3_030_000], "counted from its issue");
    assert.equal(endingByItself(certificate, START + 3_000_001).endAt, START + 3_000_001, "it is over");
    assert.equal("goneBy" in endingByItself({ ...certificate, tokenSeconds: 0 }, START), false);
    assert.equal(endingByItself({ ...certificate, tokenSeconds: 0 }, START).endAt, START);
  });

  it("is tried again after 5 s, twice as long each time, up to ten minutes", () => {
    let issue = anIssue({ state: "ending" });
    const pauses: number[] = [];
    for (let tries = 1; tries <= 9; tries++) {
      issue = endedLater(issue, START);
      assert.equal(issue.tries, tries);
      pauses.push(((issue.endAt ?? 0) - START) / 1_000);
    }
    assert.deepEqual(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
    assert.equal(endedLater(anIssue({ tries: 2_000 }), START).endAt, START + 600_000);
  });

  it("is tried no later than it comes by itself, and not twice in a second", () => {
    assert.equal(endedLater(anIssue({ goneBy: START + 3_000 }), START).endAt, START + 3_000);
    assert.equal(endedLater(anIssue({ goneBy: START + 10 }), START).endAt, START + 1_000);
  });

  it("is certain from that time on", () => {
    assert.equal(isOver(anIssue({ goneBy: START }), START - 1), false);
    assert.equal(isOver(anIssue({ goneBy: START }), START), true);
    assert.equal(isOver(anIssue(), Number.MAX_SAFE_INTEGER), false);
  });
});

describe("the issues of a row", () => {
  const first = anIssue({ serial: "first", state: "ending", endAt: START });
  const second = anIssue({ serial: "second", state: "ending", endAt: START + 1 });
  const live = anIssue({ serial: "live", endAt: START - 1 });

  it("are looked at when the first of those that end is due", () => {
    assert.equal(nextEnd({ issues: [live, second, first] }), START);
    assert.equal(nextEnd({ issues: [live] }), undefined);
    assert.equal(nextEnd({}), undefined);
    assert.equal(nextEnd({ issues: [anIssue({ state: "ending" })] }), 0, "no time: at once");
  });

  it("are due by their time", () => {
    assert.deepEqual(dueEnds({ issues: [live, second, first] }, START), [first]);
    assert.deepEqual(dueEnds({ issues: [live, second, first] }, START + 1), [second, first]);
    assert.deepEqual(dueEnds({}, START), []);
    const timeless = anIssue({ state: "ending" });
    assert.deepEqual(dueEnds({ issues: [timeless] }, 0), [timeless]);
  });

  it("have one that is in use", () => {
    assert.equal(liveIssue({ issues: [first, live] }), live);
    assert.equal(liveIssue({ issues: [first] }), undefined);
    assert.equal(liveIssue({}), undefined);
  });

  it("change by serial", () => {
    const next = { ...first, tries: 1 };
    const changed = new Map([
      ["first", next],
      ["second", undefined],
    ]);
    assert.deepEqual(withIssues([first, second, live], changed), [next, live]);
  });
});
