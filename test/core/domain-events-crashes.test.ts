import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DomainEvent } from "../../lib/ports/rows.ts";
import { aDeployment, aStaticSecret, aVaultSecret } from "./world/builders.ts";
import { doomAt } from "./world/doom.ts";
import { aDynamicSecret, anIssuingWorld, DYNAMIC } from "./world/issuing.ts";
import { memorySink } from "./world/sink.ts";
import { aWorld, type World } from "./world/world.ts";

/** Effects of a tick are many, and mean nothing here. */
const COUNTED = /^(patch|create|delete|vault|events|queue)|^store (claim|settle|record|tombstone|nudge|clearUnsent)/;

interface Story {
  readonly kind: string;
  readonly open: (sink: ReturnType<typeof memorySink>) => Promise<World>;
  readonly before: (world: World) => Promise<void>;
  readonly change: (world: World) => Promise<void>;
  readonly isOf?: (event: DomainEvent) => boolean;
}

const STORIES: readonly Story[] = [
  {
    kind: "SecretSynced",
    open: (sink) => aWorld({ sink, isAsleep: true }),
    before: (world) => world.given(aVaultSecret(), aStaticSecret("db", { refreshAfter: "10s" })),
    change: (world) => world.given(aVaultSecret("db", { password: "two" })),
    isOf: ({ detail }) => detail.reason === "data",
  },
  {
    kind: "CredentialIssued",
    open: (sink) => anIssuingWorld({ sink, isAsleep: true }),
    before: async () => undefined,
    change: (world) => world.given(aDynamicSecret("db")),
  },
  {
    kind: "CredentialRevoked",
    open: (sink) => anIssuingWorld({ sink, isAsleep: true }),
    before: (world) => world.given(aDynamicSecret("db")),
    change: (world) => world.remove(DYNAMIC, "db"),
  },
  {
    kind: "SyncRecovered",
    open: (sink) => aWorld({ sink, isAsleep: true }),
    before: (world) => world.given(aStaticSecret("db", { refreshAfter: "10s" })),
    change: (world) => world.given(aDeployment("other"), aVaultSecret()),
  },
];

/** Plays the story with a process that dies at this point; false: it has no such point any more. */
async function play(story: Story, n: number, side: "before" | "after"): Promise<boolean> {
  const sink = memorySink();
  await using world = await story.open(sink);
  const first = world.start();
  await story.before(world);
  await world.advance("15s");
  first.crash();
  const doom = doomAt(n, side, COUNTED);
  const doomed = world.start({ effect: doom.effect });
  doom.of(doomed);
  await story.change(world);
  await world.advance("12s");
  if (!doom.isMet()) return false;
  const next = world.start();
  await world.advance("170s");
  await next.handle({ kind: "token-sweep", at: world.time.now() });
  await world.advance("2s");
  const where = `${story.kind} ${side} effect ${n}`;
  const told = sink.events.filter((event) => event.kind === story.kind && (story.isOf?.(event) ?? true));
  assert.ok(told.length > 0, `${where}: nothing was told`);
  const byId = Map.groupBy(told, ({ id }) => id);
  for (const [id, same] of byId) {
    for (const one of same) assert.deepEqual(one, same[0], `${where}: ${id} says two things`);
  }
  const rows = await world.store.read(
    (await world.store.byCluster("east")).map(({ key }) => key),
    "strong",
  );
  for (const { key, state } of rows.values())
    assert.equal(state.unsent, undefined, `${where}: ${key} has unsent events`);
  return true;
}

describe("domain events of a process that dies at any effect", () => {
  for (const story of STORIES) {
    it(`${story.kind} is told at least once, and a repetition is the same`, async (t) => {
      let points = 0;
      for (const side of ["before", "after"] as const) {
        for (let n = 1; await play(story, n, side); n++) points++;
      }
      t.diagnostic(`${points} points`);
      assert.ok(points > 5);
    });
  }
});
