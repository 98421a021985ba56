import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { answerPost, type PostDeps } from "../../functions/wiring/audit-post.ts";
import { parseEnvelope } from "../../lib/aws/inlet-envelopes.ts";
import { acceptedPosts, signPost } from "../../lib/inlets/signed-post.ts";
import { anAudit } from "../unit/aws/audit-scene.ts";
import {
  busEvent,
  createdEvent,
  destinationBody,
  failuresEvent,
  logsEvent,
  notification,
  urlEvent,
} from "../unit/aws/inlet-events.ts";

const INPUTS = Number(process.env.KEYFERRY_FUZZ_INPUTS ?? 100_000);
const LINE = JSON.stringify({ type: "response", request: { operation: "update", path: "kv/data/app" } });
const KINDS = new Set(["lines", "objects", "post", "returned", "nothing", "foreign"]);

/** JSON of any shape, with the names that envelopes have. */
const anything = fc.jsonValue({ maxDepth: 4 });
const text = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.constantFrom("", LINE, "aws.s3", "\u0000", "%"));
const messages = fc.array(fc.oneof(text, anything), { maxLength: 6 });

/** An event of each source, with what a person or a shipper can put into it. */
const SOURCES = {
  "a log subscription": fc.tuple(text, messages).map(([group, lines]) => logsEvent(group, lines)),
  EventBridge: fc
    .tuple(text, fc.constantFrom("VaultAuditLine", "VaultAuditLines", "x"), messages, anything)
    .map(([source, type, lines, line]) => busEvent(source, type, { lines, line })),
  "an object of EventBridge": fc.tuple(text, text).map(([bucket, key]) => createdEvent(bucket, key)),
  "an object of a notification": fc.tuple(text, text).map(([bucket, key]) => notification(bucket, key)),
  "a POST": fc
    .tuple(text, text, fc.dictionary(text, text), fc.uint8Array({ maxLength: 40 }))
    .map(([path, method, headers, body]) => urlEvent({ path, method, headers, body: Buffer.from(body) })),
  "the queue of failures": fc
    .tuple(
      fc.array(
        fc.oneof(
          text,
          anything.map((value) => JSON.stringify(value)),
          messages.map((lines) => destinationBody(logsEvent("g", lines))),
        ),
        { maxLength: 3 },
      ),
      text,
    )
    .map(([bodies, ended]) => failuresEvent(bodies, { EXHAUSTED_RETRY_CONDITION: ended })),
} as const;

/** The event with one part replaced, left out, or of another type. */
function damaged(event: object): fc.Arbitrary<unknown> {
  const paths = pathsOf(event);
  if (paths.length === 0) return fc.constant(event);
  return fc.tuple(fc.constantFrom(...paths), fc.oneof(anything, fc.constant(undefined))).map(([path, value]) => {
    const copy = structuredClone(event);
    const parent = path.slice(0, -1).reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], copy);
    (parent as Record<string, unknown>)[path.at(-1) ?? ""] = value;
    return copy;
  });
}

function pathsOf(value: unknown, at: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== "object" || value === null) return at.length === 0 ? [] : [at];
  const inner = Object.entries(value).flatMap(([key, part]) => pathsOf(part, [...at, key]));
  return at.length === 0 ? inner : [at, ...inner];
}

describe("fuzzing envelopes on AWS", () => {
  for (const [name, events] of Object.entries(SOURCES)) {
    it(`${name}: ${INPUTS} events, whole and damaged, are taken or refused, and never throw`, () => {
      const seen = new Set<string>();
      const either = fc.oneof(events, events.chain(damaged));
      fc.assert(
        fc.property(either, (event) => {
          const envelope = parseEnvelope(event);
          assert.ok(KINDS.has(envelope.kind));
          seen.add(envelope.kind);
          if (envelope.kind === "lines") for (const line of envelope.texts) assert.equal(typeof line, "string");
        }),
        { numRuns: INPUTS, seed: 12 },
      );
      assert.ok(seen.has("foreign") && seen.size >= 2, [...seen].join());
    });
  }

  it(`${INPUTS / 10} zips of log subscriptions, cut and changed, never throw`, () => {
    const zip = gzipSync(
      JSON.stringify({ messageType: "DATA_MESSAGE", logGroup: "g", logEvents: [{ message: LINE }] }),
    );
    const changed = fc.array(fc.tuple(fc.nat(zip.length - 1), fc.nat(255)), { maxLength: 4 }).map((changes) => {
      const copy = Buffer.from(zip);
      for (const [at, byte] of changes) copy[at] = byte;
      return copy;
    });
    const some = fc.tuple(changed, fc.nat(zip.length)).map(([bytes, end]) => bytes.subarray(0, end || undefined));
    fc.assert(
      fc.property(some, (bytes) => {
        const { kind } = parseEnvelope({ awslogs: { data: bytes.toString("base64") } });
        assert.ok(kind === "lines" || kind === "foreign" || kind === "nothing");
      }),
      { numRuns: INPUTS / 10, seed: 12 },
    );
  });

  it(`${INPUTS} POSTs, forged, changed or replayed, take no line that was not signed for now`, async () => {
    const key = Buffer.from("a key of thirty-two characters!!");
    const now = Date.UTC(2030, 0, 1);
    const signal = new AbortController().signal;
    const scene = anAudit();
    const accepted = acceptedPosts();
    const deps: PostDeps = {
      ...scene,
      clock: () => now,
      acceptedOf: () => accepted,
      keyTexts: async () => [String(key)],
      posts: { isKnown: async () => false, remember: async () => undefined },
    };
    const body = Buffer.from(`${LINE}\n`);
    const send = async (headers: Readonly<Record<string, string>>, bytes: Buffer): Promise<number> => {
      const envelope = parseEnvelope(urlEvent({ path: "/main", headers, body: bytes }));
      return envelope.kind === "post" ? (await answerPost(deps, envelope.request, signal)).statusCode : assert.fail();
    };
    const good = signPost(body, { key, now });
    assert.equal(await send(good, body), 200);
    assert.equal(await send(good, body), 409);
    const changes = fc.record({
      // A changed body, time, signature or reason; or nothing changed, which is a replay.
      body: fc.oneof(
        fc.constant(body),
        fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      ),
      time: fc.oneof(fc.constant(good["x-keyferry-timestamp"] ?? ""), text, fc.integer().map(String)),
      signature: fc.oneof(
        fc.constant(good["x-keyferry-signature"] ?? ""),
        text,
        fc.stringMatching(/^sha256=[0-9a-fA-F]{64}$/),
        fc.constant(String(good["x-keyferry-signature"]).toUpperCase()),
      ),
      missed: fc.oneof(fc.constant(undefined), fc.constantFrom("overflow", "silent", "x"), text),
    });
    await fc.assert(
      fc.asyncProperty(changes, async ({ body: bytes, time, signature, missed }) => {
        const headers = {
          "x-keyferry-timestamp": time,
          "x-keyferry-signature": signature,
          ...(missed === undefined ? {} : { "x-keyferry-missed": missed }),
        };
        const status = await send(headers, bytes);
        assert.ok(status === 401 || status === 409, `${status}`);
      }),
      { numRuns: INPUTS, seed: 12 },
    );
    assert.deepEqual([scene.taken, scene.missed], [{ main: [LINE] }, []]);
  });
});
