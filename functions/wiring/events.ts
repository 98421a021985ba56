import { setTimeout as sleepFor } from "node:timers/promises";
import { eventBus } from "../../lib/aws/event-bus.ts";
import { systemDeadline } from "../../lib/clock.ts";
import { type DomainEvents, type DomainEventsOptions, domainEvents } from "../../lib/domain-events/domain-events.ts";
import type { Config } from "./config.ts";
import { REQUESTS } from "./requests.ts";

/** Domain events to the bus of the configuration; undefined when it names none. */
export function eventsOf(
  { eventBus: bus }: Pick<Config, "eventBus">,
  deps: Pick<DomainEventsOptions, "leases" | "clock" | "log" | "metrics">,
): DomainEvents | undefined {
  if (bus === undefined) return undefined;
  let client: ReturnType<Parameters<typeof eventBus>[0]["client"]> | undefined;
  const load = async () => {
    const { EventBridgeClient } = await import("@aws-sdk/client-eventbridge");
    return new EventBridgeClient({ requestHandler: REQUESTS });
  };
  const sink = eventBus({
    client: () => {
      client ??= load();
      return client;
    },
    bus,
    random: Math.random,
    sleep: async (ms, signal) => void (await sleepFor(ms, undefined, { signal }).catch(() => undefined)),
  });
  return domainEvents({ ...deps, withDeadline: systemDeadline, sink });
}
