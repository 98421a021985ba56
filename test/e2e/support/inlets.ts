import { waitFor } from "../../harness/index.ts";
import type { LogLine, RunningEngine } from "./engine.ts";
import type { Place } from "./place.ts";
import type { World } from "./world.ts";

/** No refresh finds a change meanwhile: only an event can. */
export const SELDOM = "12h";
/** What an event takes on a busy machine, at most. */
export const SOON_MS = 90_000;

/** Declares syncs that only events refresh, and waits until they are in step. */
export async function declareAll(world: World, place: Place, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await world.vault.putKv("kv", name, { password: "one" });
    await place.declare(name, { refreshAfter: SELDOM });
  }
  for (const name of names) await place.synced(name, SOON_MS);
}

/** Waits until the Secret has this password. */
export async function follows(place: Place, name: string, password: string): Promise<void> {
  await place.secretThat(name, ({ data }) => data.password === password, SOON_MS);
}

/** Gives the Vault these inlets at runtime, and waits until they are served. */
export async function setInlets(world: World, engine: RunningEngine, events: Readonly<Record<string, unknown>>) {
  const before = engine.logs.length;
  await world.writeFleet(() => ({}), { events });
  engine.child.kill("SIGHUP");
  await serves(engine, before, events);
}

/** Waits until the inlets are served, in the log from this line on. */
export async function serves(engine: RunningEngine, from: number, events: Readonly<Record<string, unknown>>) {
  const ways = Object.keys(events).filter((way) => ["file", "http", "tcp", "unix"].includes(way));
  const isServed = (way: string) => (line: LogLine) =>
    (line.event === "inlet-listening" || line.event === "inlet-following") && line.inlet === way;
  await waitFor(
    `inlets ${ways.join(", ")}`,
    async () => {
      const lines = engine.logs.slice(from);
      return ways.every((way) => lines.some(isServed(way)));
    },
    SOON_MS,
  );
}
