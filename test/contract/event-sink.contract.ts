import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EventSink } from "../../lib/ports/domain-events.ts";
import type { DomainEvent } from "../../lib/ports/rows.ts";

/** A sink, and what has arrived behind it. */
export interface OpenedSink extends AsyncDisposable {
  readonly sink: EventSink;
  /** The details of what arrived, once there are so many. */
  arrived(count: number): Promise<readonly { readonly id: string; readonly kind: string }[]>;
  /** From now on the receiver is gone. */
  lose(): Promise<void>;
}

export function anEvent(id: string, more: Readonly<Record<string, string>> = {}): DomainEvent {
  const at = Date.UTC(2030, 0, 1);
  const time = new Date(at).toISOString();
  return { id, kind: "SecretSynced", at, detail: { id, time, cluster: "east", key: "east/a/b/c", ...more } };
}

/** What is owed by any sink of domain events. */
export function eventSinkContract(name: string, open: () => Promise<OpenedSink>): void {
  describe(`event sink: ${name}`, { timeout: 240_000 }, () => {
    it("delivers any number of events, small and large, each once, and says which it accepted", async () => {
      await using opened = await open();
      const many = Array.from({ length: 137 }, (_, n) => anEvent(`many-${n}`));
      const large = Array.from({ length: 9 }, (_, n) => anEvent(`large-${n}`, { text: "ä".repeat(30_000) }));
      const sent = [...many, ...large];
      const accepted = await opened.sink.send(sent, AbortSignal.timeout(60_000));
      const ids = sent.map(({ id }) => id).sort();
      assert.deepEqual([...accepted].sort(), ids);
      const arrived = await opened.arrived(sent.length);
      assert.deepEqual(arrived.map(({ id }) => id).sort(), ids);
      assert.deepEqual([...new Set(arrived.map(({ kind }) => kind))], ["SecretSynced"]);
    });

    it("takes an event again, with the same id", async () => {
      await using opened = await open();
      for (let time = 0; time < 2; time++) await opened.sink.send([anEvent("twice")], AbortSignal.timeout(60_000));
      assert.deepEqual(
        (await opened.arrived(2)).map(({ id }) => id),
        ["twice", "twice"],
      );
    });

    it("takes nothing, and then accepts nothing", async () => {
      await using opened = await open();
      assert.deepEqual(await opened.sink.send([], AbortSignal.timeout(60_000)), new Set());
    });

    it("without its receiver accepts nothing, and says so by a code", async () => {
      await using opened = await open();
      await opened.lose();
      await assert.rejects(opened.sink.send([anEvent("lost")], AbortSignal.timeout(60_000)), ({ code }) =>
        ["EVENTS_NOT_ACCEPTED", "STORE_UNAVAILABLE", "STORE_MISSING"].includes(code),
      );
    });

    it("ends early when it is asked to", async () => {
      await using opened = await open();
      await opened.lose();
      await assert.rejects(opened.sink.send([anEvent("late")], AbortSignal.abort()));
    });
  });
}
