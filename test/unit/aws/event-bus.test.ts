import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { eventBus } from "../../../lib/aws/event-bus.ts";
import type { DomainEvent } from "../../../lib/ports/rows.ts";

const EVENTS = Array.from({ length: 25 }, (_, n): DomainEvent => {
  return { id: `event-${n}`, kind: "SecretSynced", at: Date.UTC(2030, 0, 1), detail: { n } };
});

/** A bus that answers so many requests, and then none. */
function busThatAnswers(most: number) {
  let asked = 0;
  const send = async () => {
    asked += 1;
    if (asked > most) throw Object.assign(new Error("refused"), { name: "TimeoutError" });
    return { Entries: [] };
  };
  const client = async () => ({ send }) as unknown as Pick<EventBridgeClient, "send">;
  return eventBus({ client, bus: "events", random: () => 0.5, sleep: async () => undefined });
}

describe("a bus that fails in the middle", () => {
  it("tells which events it accepted, so that these do not come again", async () => {
    const accepted = await busThatAnswers(2).send(EVENTS, AbortSignal.timeout(5_000));
    assert.deepEqual(
      [...accepted],
      EVENTS.slice(0, 20).map(({ id }) => id),
    );
  });

  it("tells the failure when it accepted none", async () => {
    await assert.rejects(busThatAnswers(0).send(EVENTS, AbortSignal.timeout(5_000)), { code: "STORE_UNAVAILABLE" });
  });
});
