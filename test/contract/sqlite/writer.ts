/**
 * Works on the database named by its argument until it is killed, and says each step once it is committed:
 * `declared <n>`, `settled <n>`, `gone <n>`.
 */

import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey } from "../../builders.ts";

const [path = ""] = process.argv.slice(2);
const store = openSqliteStore({ path });
const say = (line: string) => process.stdout.write(`${line}\n`);

async function work(n: number): Promise<void> {
  const key = aKey(`n${n}`);
  const now = Date.now();
  await store.declare(aDeclared({ key, annotations: { filler: "x".repeat(2_000) } }), now);
  say(`declared ${n}`);
  const read = (await store.read([key], "strong")).get(key);
  const claim = read && (await store.claim(read, { now, until: now + 60_000, owned: [{ name: `n${n}` }] }));
  if (!claim) throw new Error(`nobody else claims ${key}`);
  const schedule =
    n % 3 === 0 ? { kind: "gone" as const } : { kind: "wheel" as const, slot: { period: 57, phase: n % 57 } };
  await store.settle(claim.lease, { state: { ...EMPTY_STATE, digest: `digest-${n}` }, schedule, now });
  say(`${schedule.kind === "gone" ? "gone" : "settled"} ${n}`);
}

for (let n = 0; ; n += 20) await Promise.all(Array.from({ length: 20 }, (_, i) => work(n + i)));
