import type { EventSink } from "../../../lib/ports/domain-events.ts";
import type { DomainEvent } from "../../../lib/ports/rows.ts";

/** A sink that keeps what it accepts. */
export interface MemorySink extends EventSink {
  readonly events: readonly DomainEvent[];
  /** From now on it accepts none of these. */
  refuse(which: (event: DomainEvent) => boolean): void;
}

export function memorySink(): MemorySink {
  const events: DomainEvent[] = [];
  let refused: (event: DomainEvent) => boolean = () => false;
  return {
    events,
    refuse(which) {
      refused = which;
    },
    async send(sent) {
      const accepted = sent.filter((event) => !refused(event));
      events.push(...accepted);
      return new Set(accepted.map(({ id }) => id));
    },
  };
}

/** What was sent, in order: each kind with its reason or code. */
export function eventsIn({ events }: Pick<MemorySink, "events">): readonly string[] {
  return events.map(({ kind, detail }) => [kind, detail.reason ?? detail.code].filter((part) => part).join(" "));
}
