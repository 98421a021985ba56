import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseWork, workBody } from "../../lib/aws/envelopes.ts";
import type { SyncKey } from "../../lib/keys.ts";
import { secondLooks } from "../../lib/nudging/look-again.ts";
import type { SeenPlace } from "../../lib/ports/look-up.ts";
import type { LookUpMessage } from "../../lib/ports/queue.ts";

const numRuns = Number(process.env.KEYFERRY_FUZZ_INPUTS ?? 100_000);
/** Ten messages travel together, and SQS takes 256 KiB for all of them. */
const MOST_BYTES = 26_000;

const time = fc.nat(2_000_000_000_000);
const text = fc.oneof(fc.string({ unit: "binary", maxLength: 40 }), fc.string({ maxLength: 40 }));
const maybe = <T>(name: string, value: fc.Arbitrary<T>) =>
  fc.option(
    value.map((one) => ({ [name]: one })),
    { nil: {} },
  );
const place: fc.Arbitrary<SeenPlace> = fc
  .tuple(
    fc.record({
      where: fc.constantFrom("path" as const, "prefix" as const),
      path: text,
      at: time,
      found: fc.oneof(fc.constant("many" as const), fc.array(fc.string({ maxLength: 8 }), { maxLength: 100 })),
    }),
    ...[maybe("version", fc.nat()), maybe("endsWith", text)],
    ...[maybe("forget", fc.constant(true)), maybe("lease", fc.constant(true))],
  )
  .map((parts) => Object.assign({}, ...parts));
const look: fc.Arbitrary<LookUpMessage["look"]> = fc.oneof(
  fc.record({ kind: fc.constant("places" as const), places: fc.array(place, { maxLength: 25 }), since: time }),
  fc
    .tuple(fc.constantFrom("event" as const, "overflow" as const), maybe("after", text))
    .map(([reason, after]) => ({ kind: "sweep" as const, reason, ...after })),
  fc
    .array(fc.constantFrom("c/K/n/a", "c/K/n/b#uid"), { maxLength: 25 })
    .map((keys) => ({ kind: "rows" as const, keys: keys as SyncKey[] })),
  fc.constant({ kind: "denied" as const }),
);
const message = fc.record({
  kind: fc.constant("look-up" as const),
  vault: fc.string({ minLength: 1 }),
  look,
  at: time,
});

describe("look-ups on their way", () => {
  it("arrive as they were sent", () => {
    const property = fc.property(message, (sent) =>
      assert.deepEqual(parseWork(workBody(sent)), JSON.parse(JSON.stringify(sent))),
    );
    fc.assert(property, { numRuns });
  });

  it("are refused, and never throw, when anything in them was changed", () => {
    const property = fc.property(message, fc.string(), fc.nat(), (sent, other, at) => {
      const body = workBody(sent);
      const cut = at % (body.length + 1);
      const found = parseWork(body.slice(0, cut) + other + body.slice(cut + other.length));
      assert.ok(found === undefined || typeof found.at === "number");
    });
    fc.assert(property, { numRuns });
  });

  it("have all places of a window, each once, in messages that a queue takes", async () => {
    const wide = fc
      .tuple(place, fc.nat(3_000))
      .map(([one, length]) => ({ ...one, path: one.path + "\u0001".repeat(length) }));
    const property = fc.asyncProperty(fc.array(wide, { maxLength: 60 }), async (places) => {
      const sent: LookUpMessage[] = [];
      const queue = { send: async (messages: readonly unknown[]) => void sent.push(...(messages as LookUpMessage[])) };
      await secondLooks({ queue, clock: () => 0 }, "main").send(places);
      for (const one of sent) assert.ok(Buffer.byteLength(workBody(one)) <= MOST_BYTES);
      const told = sent.flatMap((one) => (one.look.kind === "places" ? one.look.places : []));
      assert.deepEqual(told, places);
    });
    await fc.assert(property, { numRuns: Math.ceil(numRuns / 100) });
  });
});
