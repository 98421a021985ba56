import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { intake } from "../../../lib/inlets/intake.ts";
import { sinkOf } from "../../../lib/inlets/sink.ts";
import { keepSubscribed, type SubscriptionState } from "../../../lib/inlets/subscription.ts";
import type { EventStream, RefusedEvents } from "../../../lib/ports/vault-subscriptions.ts";
import { recordedDeps, recordingInlet } from "./recorder.ts";

type Answer = EventStream | RefusedEvents | Error;

/** A stream that ends at once, after these frames. */
function streamOf(...frames: readonly string[]): EventStream {
  return {
    async follow(onFrame) {
      for (const frame of frames) onFrame(frame);
      return "closed";
    },
  };
}

/** Plays these answers, then stops; returns the pauses between them. */
async function played(answers: readonly Answer[]) {
  const deps = recordedDeps();
  const pauses: number[] = [];
  const states: SubscriptionState[] = [];
  const lines: string[] = [];
  const missed: string[] = [];
  const stop = new AbortController();
  const left = [...answers];
  const sleep = async (ms: number): Promise<void> => {
    pauses.push(ms);
    deps.now += ms;
    if (left.length === 0) stop.abort();
  };
  const open = async (): Promise<EventStream | RefusedEvents> => {
    const answer = left.shift() ?? assert.fail("one too many");
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const frames = { put: ({ lines: more }: { lines: readonly string[] }) => void lines.push(...more) };
  const onReconnected = (): void => void missed.push("reconnected");
  const onState = (state: SubscriptionState): void => void states.push(state);
  const options = { vault: "main", open, intake: frames, onState, onReconnected };
  await keepSubscribed({ ...deps, sleep, random: () => 1 }, options, stop.signal);
  return { pauses, states, lines, missed, events: deps.events };
}

const outage = new SyncError("VAULT_UNAVAILABLE", "out of reach");
const denied: RefusedEvents = { refused: "denied", message: "no policy" };

describe("a subscription that is kept", () => {
  it("begins with short pauses and doubles them up to a minute, while its Vault is out of reach", async () => {
    const { pauses, states } = await played(Array(9).fill(outage));
    assert.deepEqual(
      pauses,
      [2, 4, 8, 16, 32, 60, 60, 60, 60].map((seconds) => seconds * 1_000),
    );
    assert.deepEqual(states, []);
  });

  it("tries again rarely where it is refused, because each try logs in", async () => {
    const { pauses, states } = await played(Array(8).fill(denied));
    assert.deepEqual(
      pauses,
      [2, 4, 8, 16, 32, 60, 60, 60].map((minutes) => minutes * 60_000),
    );
    assert.deepEqual(states[0], { kind: "refused", because: "denied", message: "no policy" });
  });

  it("says that events are missing after each opening but the first", async () => {
    const { missed, lines } = await played([outage, streamOf("1"), outage, streamOf("2", "3"), streamOf()]);
    assert.deepEqual(missed, ["reconnected", "reconnected"]);
    assert.deepEqual(lines, ["1", "2", "3"]);
  });

  it("tells of a failure that does not pass by itself, and survives a bug", async () => {
    const { states, events } = await played([
      new SyncError("VAULT_LOGIN_REFUSED", "the role is gone"),
      new TypeError("s3cr3t"),
      streamOf(),
    ]);
    assert.deepEqual(states, [
      { kind: "refused", because: "failed", message: "the role is gone" },
      { kind: "following" },
    ]);
    assert.doesNotMatch(JSON.stringify(events), /s3cr3t/);
    assert.equal(events.filter(({ event }) => event.startsWith("vault-events-")).length, 2, "one a minute");
  });

  it("keeps a bounded number of frames while the lease table hangs: the others are counted, and swept", async () => {
    const deps = recordedDeps();
    const inlet = recordingInlet();
    const gate = Promise.withResolvers<void>();
    inlet.gate = gate.promise;
    const limits = { characters: 10_000, batchLines: 10, batchCharacters: 1_000 };
    const frames = intake(deps, sinkOf(inlet, "subscribe", deps), limits);
    const stop = new AbortController();
    const running = frames.run(stop.signal);
    for (let at = 0; at < 10_000; at++) frames.put({ lines: [`frame ${at}`], tooLong: 0 });
    const { waiting, dropped } = frames.counts();
    assert.ok(waiting < 200 && dropped > 9_000, `${waiting} wait`);
    gate.resolve();
    while (!frames.isIdle()) await deps.sleep(1, stop.signal);
    assert.deepEqual(inlet.reasons, ["overflow"]);
    stop.abort();
    await running;
  });
});
