import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { lineSplitter, linesOf, NotGzip, unzipped } from "../../lib/inlets/lines.ts";
import { positionFile } from "../../lib/inlets/position.ts";
import { isRotated } from "../../lib/inlets/rotated.ts";
import { acceptedPosts, checkPost, isBearer, signPost } from "../../lib/inlets/signed-post.ts";
import { BodyTooLarge } from "../../lib/util/bounded-body.ts";
import { hostPort, subnet } from "../../lib/util/host-port.ts";

const numRuns = Number(process.env.KEYFERRY_FUZZ_INPUTS ?? 100_000);
const KEY = Buffer.from("the key of an inlet, long enough!");
const NOW = 1_800_000_000_000;

const piece = fc.constantFrom("\n", "\r\n", "\n\n", "{", "}", '"', "\u0000", "ä", "€", "😀", "\ud800", "line", " ");
const text = fc
  .array(fc.oneof({ weight: 5, arbitrary: piece }, fc.string()), { maxLength: 20 })
  .map((parts) => parts.join(""));
const bytes = fc.oneof(
  text.map((one) => Buffer.from(one)),
  fc.uint8Array({ maxLength: 60 }).map((one) => Buffer.from(one)),
);

describe("whatever arrives at an inlet", () => {
  it("a stream has the same lines, however it is cut", () => {
    const property = fc.property(bytes, fc.array(fc.nat(20), { maxLength: 8 }), (body, cuts) => {
      const splitter = lineSplitter();
      const found: string[] = [];
      let at = 0;
      for (const size of [...cuts, body.length]) {
        found.push(...splitter.push(body.subarray(at, at + size)).lines);
        at += size;
      }
      found.push(...splitter.end().lines);
      // Line by line, because a character that is cut by a newline is none in either way.
      const naive = body
        .toString("latin1")
        .split("\n")
        .map((line) => Buffer.from(line, "latin1").toString("utf8"))
        .filter((line) => line !== "" && line !== "\r");
      assert.deepEqual(found, naive);
      assert.deepEqual(linesOf(body), { lines: naive, tooLong: 0 });
    });
    fc.assert(property, { numRuns });
  });

  it("a body that is no gzip is refused as such, and one that is gives its lines", async () => {
    const damaged = fc.tuple(bytes, fc.nat(), fc.nat(255)).map(([body, at, by]) => {
      const zipped = gzipSync(body, { level: 1 });
      zipped[at % zipped.length] = (zipped[at % zipped.length] ?? 0) ^ by;
      return zipped;
    });
    const property = fc.asyncProperty(fc.oneof(bytes, damaged), async (body) => {
      try {
        linesOf(await unzipped(body, 1_000));
      } catch (error) {
        assert.ok(error instanceof NotGzip || error instanceof BodyTooLarge, String(error));
      }
    });
    await fc.assert(property, { numRuns: Math.ceil(numRuns / 10) });
  });

  it("a POST that nobody signed is never accepted", () => {
    const accepted = acceptedPosts();
    const seconds = String(NOW / 1_000);
    const some = fc.oneof(fc.constant(undefined), fc.string(), text);
    const timestamp = fc.oneof(some, fc.constantFrom(seconds, `0${seconds}`, `${seconds}.`, "1e9", " 1", "-1", "１"));
    const hex = fc.string({ unit: fc.constantFrom(..."0123456789abcdefABCDEF"), minLength: 64, maxLength: 64 });
    const signature = fc.oneof(
      some,
      hex,
      hex.map((digits) => `sha256=${digits}`),
    );
    const missed = fc.oneof(some, fc.constantFrom("overflow", "constructor", "__proto__"));
    const property = fc.property(timestamp, signature, missed, bytes, (time, sign, reason, body) => {
      const post = { timestamp: time, signature: sign, missed: reason, body };
      assert.equal(typeof checkPost(post, { keys: [KEY], accepted, now: NOW }), "string");
    });
    fc.assert(property, { numRuns });
  });

  it("a signed POST of which a bit was changed is never accepted", () => {
    const property = fc.property(bytes, fc.nat(), fc.nat(7), (body, at, bit) => {
      const headers = signPost(body, { key: KEY, now: NOW });
      const changed = Buffer.from(body.length === 0 ? Buffer.from("x") : body);
      if (body.length > 0) changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ (1 << bit);
      const post = {
        timestamp: headers["x-keyferry-timestamp"],
        signature: headers["x-keyferry-signature"],
        missed: undefined,
      };
      const accepted = acceptedPosts();
      const options = { keys: [KEY], accepted, now: NOW };
      assert.equal(checkPost({ ...post, body: changed }, options), "forged");
      const checked = checkPost({ ...post, body }, options);
      if (typeof checked === "string") assert.fail(checked);
      assert.equal(checkPost({ ...post, body }, options), "at-work");
      accepted.take(checked.id);
      assert.equal(checkPost({ ...post, body }, options), "replayed");
    });
    fc.assert(property, { numRuns });
  });

  it("a header that holds no token is never one", () => {
    const property = fc.property(fc.oneof(text, fc.constantFrom("Bearer", "Bearer ", "Bearer token")), (header) => {
      assert.equal(isBearer(header, [Buffer.from("the-token")]), false);
    });
    fc.assert(property, { numRuns });
  });

  it("a stored position of any content is one, or is broken", async () => {
    const folder = await mkdtemp(join(tmpdir(), "keyferry-fuzz-"));
    const path = join(folder, "position.json");
    const value = fc.oneof(
      fc.json(),
      fc.record({ version: fc.constant(1), path: fc.string(), file: fc.jsonValue() }).map((one) => JSON.stringify(one)),
      text,
    );
    const property = fc.asyncProperty(value, async (content) => {
      await writeFile(path, content);
      const found = await positionFile(path).load();
      if (typeof found === "string") assert.equal(found, "broken");
      else assert.ok((found.file?.offset ?? 0) >= 0);
    });
    await fc.assert(property, { numRuns: Math.ceil(numRuns / 50) });
    await rm(folder, { recursive: true });
  });

  it("addresses, networks and names of files are judged without a failure", () => {
    const part = fc.constantFrom(
      ".",
      ":",
      "/",
      "[",
      "]",
      "1",
      "255",
      "::",
      "ffff",
      "localhost",
      "-",
      "gz",
      "old",
      "audit",
      "log",
    );
    const name = fc.array(fc.oneof(part, fc.string({ maxLength: 3 })), { maxLength: 8 }).map((parts) => parts.join(""));
    const property = fc.property(name, name, (one, other) => {
      const address = hostPort(one);
      if (address !== undefined) assert.ok(address.port > 0 && address.port < 65_536 && address.host !== "");
      subnet(one);
      if (isRotated(one, other)) assert.notEqual(one, other);
    });
    fc.assert(property, { numRuns });
  });
});
