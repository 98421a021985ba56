import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import type { Fleet } from "../../../lib/fleet/fleet.ts";
import type { Hub } from "../../../lib/fleet/hub-schema.ts";
import { isTooManyGone } from "../../../lib/fleet/too-many-gone.ts";
import { composed } from "../../../lib/hubs/compose.ts";
import {
  checked,
  checksDue,
  type Identity,
  type ReadObject,
  takenIn,
  withoutRivals,
} from "../../../lib/hubs/take-in.ts";
import type { HubMember, HubState } from "../../../lib/ports/store.ts";

const NOW = 1_000_000;

function member(name: string, more: Partial<HubMember> = {}): HubMember {
  const known = { resourceVersion: "1", labels: {}, settings: {}, server: "https://a", leadsTo: "way", since: NOW };
  return { object: `ns/${name}`, name, ...known, checked: "way", uid: `uid-${name}`, ...more };
}

const state = (members: readonly HubMember[], more: Partial<HubState> = {}): HubState => ({
  members,
  readAs: "r",
  ...more,
});

const read = (name: string, leadsTo = "way"): ReadObject => ({
  ...{ name, labels: {}, settings: {}, server: "https://a", leadsTo },
});

const listed = (name: string, resourceVersion = "1") => ({
  ...{ object: `ns/${name}`, resourceVersion, labels: {}, annotations: {} },
});

const take = (
  before: HubState | undefined,
  seen: Parameters<typeof takenIn>[0]["seen"],
  { acceptMissing = false, now = NOW + 1 } = {},
) => takenIn({ before, seen, readAs: "r", acceptMissing, now, nameOfUnread: (object) => `unread-${object}` });

describe("a list of a hub", () => {
  it("adds and removes clusters", () => {
    const first = take(undefined, [{ listed: listed("a"), read: read("a") }]);
    assert.deepEqual(first.members, [{ ...read("a"), object: "ns/a", resourceVersion: "1", since: NOW + 1 }]);
    const before = state([member("a"), member("b")]);
    assert.deepEqual(take(before, [{ listed: listed("b") }]).members, [member("b")]);
  });

  it("that lacks too many clusters removes none, until a person accepts it", () => {
    const all = Array.from({ length: 20 }, (_, at) => member(`c-${at}`));
    const kept = all.slice(0, 15).map(({ name }) => ({ listed: listed(name) }));
    const held = take(state(all), kept);
    assert.deepEqual(held.awaitingApproval, { since: NOW + 1, gone: 5, of: 20 });
    assert.equal(held.members.length, 20);
    assert.equal(held.members.filter(({ isMissing }) => isMissing).length, 5);
    const later = take(held, kept, { now: NOW + 9 });
    assert.deepEqual([later.awaitingApproval?.since, later.members.length], [NOW + 1, 20]);
    const accepted = take(held, kept, { acceptMissing: true });
    assert.deepEqual([accepted.members.length, accepted.awaitingApproval], [15, undefined]);
    const back = take(
      held,
      all.map(({ name }) => ({ listed: listed(name) })),
    );
    assert.deepEqual([back.members.some(({ isMissing }) => isMissing), back.awaitingApproval], [false, undefined]);
  });

  it("may lack two clusters, or a fifth of them", () => {
    assert.deepEqual(
      [isTooManyGone(2, 2), isTooManyGone(3, 3), isTooManyGone(3, 15), isTooManyGone(4, 15)],
      [false, true, false, true],
    );
  });

  it("with an object that can't be read keeps what is known of it", () => {
    const broken = new SyncError("UNSUPPORTED", "a program");
    const next = take(state([member("a")]), [{ listed: listed("a", "2"), read: broken }]);
    assert.deepEqual(next.members, [
      member("a", {
        resourceVersion: "2",
        isBroken: true,
        error: { code: "UNSUPPORTED", message: "a program", since: NOW + 1 },
      }),
    ]);
    assert.deepEqual(checksDue(next.members, 0), []);
    const mended = take(next, [{ listed: listed("a", "3"), read: read("a") }]);
    assert.deepEqual(mended.members, [member("a", { resourceVersion: "3" })]);
    const denied = new SyncError("KUBE_DENIED", "no");
    const again = take(state([member("a")]), [{ listed: listed("a", "2"), read: denied }]);
    assert.equal(again.members[0]?.resourceVersion, "1", "it is read again with the next pass");
    const fresh = take(undefined, [{ listed: listed("x"), read: broken }]).members[0];
    assert.deepEqual([fresh?.name, fresh?.uid, fresh?.error?.code], ["unread-ns/x", undefined, "UNSUPPORTED"]);
  });
});

describe("the check of an API server", () => {
  const check = (
    members: readonly HubMember[],
    results: readonly [string, string | Identity | SyncError][],
    accepted: readonly string[] = [],
  ) =>
    checked(state(members), {
      results: new Map(
        results.map(([object, result]) => [object, typeof result === "string" ? { uid: result } : result]),
      ),
      own: [{ name: "mine", uid: "uid-own" }],
      accepted: new Set(accepted),
      now: NOW,
    }).members;

  it("stores who it is, and refuses another one until a person accepts it", () => {
    const { uid: _uid, checked: _checked, ...fresh } = member("a");
    assert.deepEqual(check([fresh], [["ns/a", "uid-a"]]), [member("a")]);
    const moved = member("a", { leadsTo: "other" });
    assert.deepEqual(checksDue([moved], 0), [moved]);
    assert.deepEqual(check([moved], [["ns/a", "uid-a"]]), [member("a", { leadsTo: "other", checked: "other" })]);
    const [refused] = check([moved], [["ns/a", "uid-x"]]);
    assert.deepEqual([refused?.uid, refused?.checked, refused?.error?.code], ["uid-a", "way", "CLUSTER_REPLACED"]);
    assert.match(refused?.error?.message ?? "", /--accept-missing a$/);
    assert.deepEqual(checksDue(refused ? [refused] : [], 0).length, 1, "it is asked again");
    const [accepted] = check(refused ? [refused] : [], [["ns/a", "uid-x"]], ["a"]);
    assert.deepEqual([accepted?.uid, accepted?.error], ["uid-x", undefined]);
  });

  it("that fails is repeated, and its turn comes after those that never failed", () => {
    const { uid: _uid, checked: _checked, ...fresh } = member("a");
    const failed = check([fresh], [["ns/a", new SyncError("KUBE_UNREACHABLE", "gone")]]);
    assert.equal(failed[0]?.error?.code, "KUBE_UNREACHABLE");
    const others = ["b", "c"].map((name) => ({ ...fresh, object: `ns/${name}`, name }));
    const due = (turn: number) => checksDue([...failed, { ...(failed[0] ?? fresh), object: "ns/d" }, ...others], turn);
    assert.deepEqual(
      due(0).map(({ object }) => object),
      ["ns/b", "ns/c", "ns/a", "ns/d"],
    );
    assert.deepEqual(
      due(1).map(({ object }) => object),
      ["ns/b", "ns/c", "ns/d", "ns/a"],
    );
  });

  it("refuses the name of a cluster whose rows are still there, with another uid", () => {
    const { uid: _uid, checked: _checked, ...fresh } = member("a");
    const [other] = check([fresh], [["ns/a", { uid: "uid-b", inTable: "uid-a" }]]);
    assert.deepEqual([other?.uid, other?.error?.code], [undefined, "CLUSTER_REPLACED"]);
    assert.equal(check([fresh], [["ns/a", { uid: "uid-a", inTable: "uid-a" }]])[0]?.uid, "uid-a");
    assert.equal(check([fresh], [["ns/a", { uid: "uid-b", inTable: "uid-a" }]], ["a"])[0]?.uid, "uid-b");
  });

  it("is not for an object whose name another one has: it must not inherit its rows", () => {
    const held = member("a");
    const rival = member("a", { object: "ns/rival", since: NOW - 1 });
    const { uid: _uid, checked: _checked, ...stripped } = rival;
    const only: HubMember = { ...stripped, isRival: true };
    const inHub = withoutRivals(state([rival, held]), () => ({ object: "ns/a" })).members;
    assert.deepEqual(inHub, [only, held]);
    assert.deepEqual(checksDue(inHub, 0), []);
    assert.deepEqual(withoutRivals(state([rival]), () => "other").members, [only]);
    // Nobody has the name: the older one gets it.
    const [first, second] = withoutRivals(state([held, rival]), () => undefined).members;
    assert.deepEqual([first?.isRival, second], [true, rival]);
    const back = take(state([only]), [{ listed: listed("rival") }]).members;
    assert.deepEqual(back, [stripped]);
  });

  it("finds an API server that fleet.yaml has already", () => {
    const { uid: _uid, checked: _checked, ...fresh } = member("a");
    const [double] = check([fresh], [["ns/a", "uid-own"]]);
    assert.equal(double?.double, "mine");
  });
});

describe("fleet.yaml with its hubs", () => {
  const defaults: Hub["defaults"] = {
    labels: { from: "hub" },
    observe: "watch",
    namespaces: { include: ["team-*"], exclude: ["team-x"] },
    operatorNamespace: "vso",
    vault: { authMount: "k8s-{name}", requireAudiences: true },
  };
  const hub = (name: string): Hub => ({ name, connect: {}, argocd: { namespace: "argocd" }, defaults });
  const own = { ...defaults, name: "mine", connect: { kubeconfig: { path: "x" } } };
  const fleet: Fleet = { clusters: [own], vaults: [], hubs: [hub("h1"), hub("h2")] };

  it("has their clusters with the hub's defaults and their own settings", () => {
    const settings = { observe: "apply", authMount: "own-mount", namespaces: ["team-a", "team-x", "other"] } as const;
    const states = new Map([
      ["h1", state([member("a", { labels: { env: "prod", from: "object" } }), member("b", { settings })])],
      ["h2", state([])],
    ]);
    const { clusters, unread } = composed(fleet, states);
    assert.deepEqual(unread, []);
    const [, a, b] = clusters;
    assert.deepEqual(a, {
      ...defaults,
      name: "a",
      labels: { env: "prod", from: "hub" },
      vault: { authMount: "k8s-a", requireAudiences: true },
      connect: { hub: { hub: "h1", object: "ns/a", leadsTo: "way", uid: "uid-a" } },
    });
    assert.deepEqual([b?.observe, b?.vault?.authMount, b?.namespaces.include], ["apply", "own-mount", ["team-a"]]);
  });

  it("has no cluster of a hub that takes a name or an API server of another one: the first stays", () => {
    const states = new Map([
      [
        "h1",
        state([
          member("mine", { uid: "u1" }),
          member("late", { since: NOW + 5 }),
          member("double", { double: "mine" }),
        ]),
      ],
      [
        "h2",
        state([member("late", { object: "ns/older", uid: "u2" }), member("other", { uid: "u2", since: NOW + 9 })]),
      ],
    ]);
    const { clusters, refused } = composed(fleet, states);
    assert.deepEqual(
      clusters.map(({ name, connect }) => [name, connect.hub?.hub]),
      [
        ["mine", undefined],
        ["late", "h2"],
      ],
    );
    assert.deepEqual(refused.map(({ object, error }) => [object, error.code]).sort(), [
      ["ns/double", "CLUSTER_DUPLICATE"],
      ["ns/late", "CLUSTER_DUPLICATE"],
      ["ns/mine", "CLUSTER_DUPLICATE"],
      ["ns/other", "CLUSTER_DUPLICATE"],
    ]);
  });

  it("keeps the cluster that joined first when an object that was listed before it answers for the first time, or anew", () => {
    const uid = "uid-prod";
    const { uid: _uid, checked: _checked, ...silent } = member("old", { since: NOW - 9 });
    const another = member("old", { since: NOW - 9, leadsTo: "elsewhere" });
    for (const old of [silent, another]) {
      const before = state([old, member("prod")]);
      const results = new Map([[old.object, { uid }]]);
      const accepted = new Set(["old"]);
      const after = checked(before, { results, own: [], accepted, now: NOW + 9 });
      const { clusters, refused } = composed(fleet, new Map([["h1", after]]));
      assert.deepEqual(
        clusters.map(({ name }) => name),
        ["mine", "prod"],
      );
      assert.deepEqual(
        refused.map(({ name, error }) => [name, error.code]),
        [["old", "CLUSTER_DUPLICATE"]],
      );
    }
  });

  it("keeps clusters that can't be reached any more, has none that never was, and knows hubs that were not read", () => {
    const error = { code: "UNSUPPORTED", message: "m", since: NOW } as const;
    const { uid: _uid, ...never } = member("never");
    const states = new Map([["h1", state([member("was", { error }), { ...never, error }])]]);
    const { clusters, refused, unread } = composed(fleet, states);
    assert.deepEqual(
      clusters.map(({ name }) => name),
      ["mine", "was"],
    );
    assert.equal(refused.length, 2);
    assert.deepEqual(unread, [{ name: "h2" }]);
    const first = composed(fleet, new Map([["h1", state([], { isUnread: true, error })]]));
    assert.deepEqual(first.unread, [{ name: "h1", error }, { name: "h2" }]);
    assert.deepEqual(first.troubled, [{ name: "h1", error }]);
  });
});
