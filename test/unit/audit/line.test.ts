import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { auditLine, readLine, skippedUnread } from "../../../lib/audit/line.ts";

type Fields = Readonly<Record<string, unknown>>;

const REQUEST: Fields = {
  id: "r-1",
  operation: "update",
  mount_point: "ns1/kv/",
  mount_type: "kv",
  namespace: { id: "abc", path: "ns1/" },
  path: "kv/data/app",
};
const LINE: Fields = {
  time: "2026-01-01T00:00:00Z",
  type: "response",
  request: REQUEST,
  response: { data: { version: 3 } },
};
const CHANGE = {
  ...{ id: "r-1", time: "2026-01-01T00:00:00Z", change: "update", namespace: "ns1", namespaceId: "abc" },
  path: "kv/data/app",
  mount: { path: "ns1/kv", type: "kv", below: "data/app" },
  version: 3,
};

const aLine = (more: Fields = {}, request: Fields = {}): string =>
  JSON.stringify({ ...LINE, ...more, request: { ...REQUEST, ...request } });
/** What both ways to read a line find. */
function read(text: string) {
  const found = auditLine(text);
  const whole = readLine(text);
  if (typeof found === "string") assert.equal(typeof whole, "string", text);
  else assert.deepEqual(found, whole);
  return found;
}
const { mount: _mount, ...WITHOUT_MOUNT } = CHANGE;
const { version: _version, ...WITHOUT_VERSION } = CHANGE;

describe("an audit line", () => {
  it("is a change, with where it was made and the version", () => {
    assert.deepEqual(read(aLine()), CHANGE);
    for (const change of ["create", "patch", "delete", "recover"]) {
      assert.deepEqual(read(aLine({}, { operation: change })), { ...CHANGE, change });
    }
  });

  it("is no audit line when it lacks what every line has", () => {
    for (const missing of ["id", "operation", "path"]) {
      assert.equal(readLine(aLine({}, { [missing]: undefined })), "bad", missing);
      assert.equal(readLine(aLine({}, { [missing]: 7 })), "bad", missing);
    }
    for (const text of ["", "{}", "[]", "null", "7", '"text"', '{"type":"response"}', `x${aLine()}`, `${aLine()}x`]) {
      assert.equal(auditLine(text), "bad", text);
      assert.equal(readLine(text), "bad", text);
    }
    for (const request of [null, [], "text"]) assert.equal(readLine(JSON.stringify({ ...LINE, request })), "bad");
    for (const type of [undefined, "other", 7]) assert.equal(readLine(aLine({ type })), "bad");
  });

  it("tells why it is no change, read or unread", () => {
    for (const way of [auditLine, readLine]) {
      assert.equal(way(aLine({ type: "request" })), "request");
      for (const operation of ["read", "list", "help", "scan", "renew"]) {
        assert.equal(way(aLine({}, { operation })), "unchanging", operation);
      }
      assert.equal(way(aLine({ error: "permission denied" })), "failed");
      for (const verb of ["lookup", "renew", "revoke"]) {
        const own = { path: `auth/token/${verb}-self`, namespace: { id: "root" } };
        assert.equal(way(aLine({}, own)), "own", verb);
        assert.equal(way(aLine({}, { ...own, namespace: REQUEST.namespace })), "own", verb);
      }
    }
    for (const error of [undefined, null, ""]) assert.deepEqual(read(aLine({ error })), CHANGE);
  });

  it("is read to its end where a user's data looks like another line", () => {
    const request = { data: { path: "auth/token/renew-self", operation: "read", type: "request" } };
    assert.deepEqual(read(aLine({ response: { data: { version: 3, type: "request" } } }, request)), CHANGE);
    assert.equal(read(aLine({ type: "request", response: { data: { type: "response" } } })), "request");
    assert.equal(read(aLine({}, { operation: "read", data: { operation: "update" } })), "unchanging");
    assert.deepEqual(read(JSON.stringify(JSON.parse(aLine()), undefined, 2)), CHANGE);
    assert.deepEqual(read(`${aLine()}\n`), CHANGE);
    const escaped = [/operation/, /update/, /"type/, /response"/].map((word) =>
      aLine().replace(word, (text) => text.replace(/[a-z]/, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`)),
    );
    for (const line of escaped) assert.deepEqual(read(line), CHANGE, line);
  });

  it("is skipped unread when a search in it shows that it is no change", () => {
    const own = { path: "auth/token/renew-self", namespace: { id: "root" } };
    assert.equal(skippedUnread(aLine({ type: "request" })), "request");
    assert.equal(skippedUnread(aLine({}, { operation: "read" })), "unchanging");
    assert.equal(skippedUnread(aLine({}, own)), "own");
    const inSpaces = (line: string) => JSON.stringify(JSON.parse(line), undefined, 1);
    assert.equal(skippedUnread(inSpaces(aLine({}, own))), "own");
    assert.equal(skippedUnread(inSpaces(aLine({}, { operation: "read" }))), "unchanging");
    const twoPaths = { ...own, data: { path: "auth/token/renew-self" } };
    const others = [aLine(), aLine({}, { path: own.path }), aLine({}, twoPaths), aLine({}, { ...own, path: "a" })];
    const half = aLine({ type: "request" });
    const partial = [`${half}x`, half.slice(1), half.slice(0, -3), "{}", '{"type":"response"}'];
    for (const line of [...others, ...partial]) assert.equal(skippedUnread(line), undefined, line);
    const [, path = ""] = /("path":"auth[^"]+")/.exec(aLine({}, own)) ?? [];
    const twice = aLine({ other: "x" }, own).replace('"other":"x"', path);
    assert.equal(skippedUnread(twice), undefined);
  });

  it("has a mount only when its path is below it, with or without the namespace", () => {
    assert.deepEqual(read(aLine({}, { mount_point: "kv/" })), CHANGE);
    for (const mount of ["", "/", "other/", "kv/data/app/", "kv/dat/", "ns1/", "ns1/k/", 7, undefined]) {
      assert.deepEqual(read(aLine({}, { mount_point: mount })), WITHOUT_MOUNT, String(mount));
    }
    const inRoot = { namespace: { id: "root" }, mount_point: "kv/" };
    const mount = { ...CHANGE.mount, path: "kv" };
    assert.deepEqual(read(aLine({}, inRoot)), { ...CHANGE, namespace: "", namespaceId: "root", mount });
    const alike = { namespace: { id: "abc", path: "kv/" }, mount_point: "kv/" };
    const inAlike = { ...CHANGE.mount, path: "kv/kv" };
    assert.deepEqual(read(aLine({}, alike)), { ...CHANGE, namespace: "kv", mount: inAlike });
    const bare = read(aLine({ time: 7 }, { namespace: undefined, mount_type: 7, mount_point: "kv/" }));
    const nothing = { time: "", namespace: "", namespaceId: "", mount: { ...mount, type: "" } };
    assert.deepEqual(bare, { ...CHANGE, ...nothing });
  });

  it("has a version only when it is one", () => {
    for (const version of [0, -1, 1.5, 2 ** 53, "3", null, undefined, [3]]) {
      assert.deepEqual(read(aLine({ response: { data: { version } } })), WITHOUT_VERSION, String(version));
    }
    for (const response of [undefined, null, { data: null }, { data: [] }, "text"]) {
      assert.deepEqual(read(aLine({ response })), WITHOUT_VERSION);
    }
    assert.deepEqual(read(aLine({ response: { data: { version: 1 } } })), { ...CHANGE, version: 1 });
  });
});
