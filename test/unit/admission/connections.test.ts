import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { peerOf } from "../../../lib/admission/connections.ts";
import { FairPool } from "../../../lib/admission/fair-pool.ts";

interface One {
  readonly name: string;
  isIdle: boolean;
}

function one(name: string, isIdle = true): One {
  return { name, isIdle };
}

describe("a pool with shares", () => {
  it("takes from the largest group, and there the one that was not used for the longest time", () => {
    const pool = new FairPool<One>(4, ({ isIdle }) => isIdle);
    const [a, b, c, d, e, f] = [one("a"), one("b"), one("c"), one("d"), one("e"), one("f")];
    for (const each of [a, b, c]) assert.equal(pool.use("large", each), undefined);
    assert.equal(pool.use("small", d), undefined);
    assert.equal(pool.use("large", a), undefined, "it is there already");
    assert.equal(pool.use("new", e), b);
    assert.equal(pool.use("new", f), c);
    assert.equal(pool.use("small", one("g")), d, "it has more than the others now, and loses one of its own");
  });

  it("takes none in use, if another is idle", () => {
    const pool = new FairPool<One>(2, ({ isIdle }) => isIdle);
    const [busy, idle, next] = [one("busy", false), one("idle"), one("next", false)];
    pool.use("x", busy);
    pool.use("x", idle);
    assert.equal(pool.use("x", next), idle);
    const refused = one("refused", false);
    assert.equal(pool.use("x", refused), refused, "a group that uses all it has gets no more");
    assert.equal(pool.use("y", one("other", false)), busy, "another one gets its share");
  });

  it("has room again for what was removed", () => {
    const pool = new FairPool<One>(1, () => true);
    const first = one("first");
    pool.use("x", first);
    assert.equal(pool.remove("y", first), false);
    assert.equal(pool.remove("x", first), true);
    assert.equal(pool.remove("x", first), false);
    assert.equal(pool.use("y", one("second")), undefined);
  });
});

describe("the peer of a connection", () => {
  it("is an IPv4 address, or the network of an IPv6 address", () => {
    assert.equal(peerOf("192.0.2.1"), "192.0.2.1");
    assert.equal(peerOf("::ffff:192.0.2.1"), "192.0.2.1");
    assert.equal(peerOf("2001:DB8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    assert.equal(peerOf("2001:db8::5:6"), "2001:db8:0:0::/64");
    assert.equal(peerOf("::1"), "0:0:0:0::/64");
    assert.equal(peerOf("fe80::1%eth0"), "fe80:0:0:0::/64");
    assert.equal(peerOf(""), "");
  });
});
