import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Subscription, wantedSubscriptions } from "../../../lib/inlets/wanted-events.ts";
import { syncKey } from "../../../lib/keys.ts";
import type { WantedEvents } from "../../../lib/ports/instant-updates.ts";

const LIMITS = { ofVault: 3, ofPlace: 2, inAll: 4 };

function wanted(name: string, more: { id?: string; namespace?: string; vault?: string; place?: string } = {}) {
  const { id = "app", namespace, vault = "main", place = "shop" } = more;
  const target = { address: "https://vault", headers: {}, skipTlsVerify: false, timeoutMs: 1_000 };
  const method = { kind: "appRole", roleId: "r", credential: { kind: "file", path: "f" } } as const;
  const one: WantedEvents = {
    key: syncKey({ cluster: "one", kind: "VaultStaticSecret", namespace: place, name }),
    identity: { id, target, mount: "approle", headers: {}, method },
    vault,
    ...(namespace === undefined ? {} : { namespace }),
  };
  return one;
}

function started() {
  const ended: Subscription[] = [];
  return { ended, wishes: wantedSubscriptions(LIMITS, (one) => ended.push(one)) };
}

describe("subscriptions that syncs want", () => {
  it("are shared by the syncs of a login that read in one Vault namespace", () => {
    const { wishes } = started();
    const first = wishes.join(wanted("a"));
    const second = wishes.join(wanted("b"));
    assert.ok(typeof first !== "string" && typeof second !== "string");
    assert.equal(first.one, second.one);
    assert.deepEqual([first.isNew, second.isNew], [true, false]);
    wishes.join(wanted("c", { namespace: "ns1" }));
    wishes.join(wanted("d", { id: "other", place: "elsewhere" }));
    assert.equal(wishes.all().length, 3);
  });

  it("end with their last sync, and go on with another one's key before that", () => {
    const { wishes, ended } = started();
    const [a, b] = [wanted("a"), wanted("b")];
    wishes.join(b);
    wishes.join(a);
    wishes.leave(a.key);
    assert.equal(wishes.all()[0]?.wanted.key, b.key);
    assert.equal(ended.length, 0);
    wishes.leave(b.key);
    wishes.leave(b.key);
    assert.deepEqual(
      ended.map(({ end }) => end.signal.aborted),
      [true],
    );
    assert.deepEqual([wishes.all(), wishes.keys()], [[], []]);
  });

  it("follow a sync to another login", () => {
    const { wishes, ended } = started();
    wishes.join(wanted("a"));
    wishes.join(wanted("a", { id: "new" }));
    assert.equal(ended.length, 1);
    assert.deepEqual(
      wishes.all().map(({ wanted: { identity } }) => identity.id),
      ["new"],
    );
  });

  it("are bounded for a namespace of a cluster, for a Vault, and in all; a known one is always shared", () => {
    const { wishes } = started();
    const join = (...of: Parameters<typeof wanted>): unknown => {
      const joined = wishes.join(wanted(...of));
      return typeof joined === "string" ? joined : "joined";
    };
    assert.deepEqual(
      [
        join("a", { id: "1" }),
        join("b", { id: "2" }),
        join("c", { id: "3" }),
        join("d", { id: "2" }),
        join("e", { id: "4", place: "two" }),
        join("f", { id: "5", place: "three" }),
        join("g", { id: "5", place: "three", vault: "edge" }),
        join("h", { id: "6", place: "four", vault: "third" }),
      ],
      ["joined", "joined", "2 of its namespace", "joined", "joined", "3 of its Vault", "joined", "4 of keyferry"],
    );
  });
});
