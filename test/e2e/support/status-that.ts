import { setTimeout as sleep } from "node:timers/promises";
import { type StatusAnswer, status } from "./engine.ts";
import type { World } from "./world.ts";

/** Each look is a process of its own: two a second are plenty. */
const PAUSE_MS = 500;

/** Waits until `keyferry status` says so; in vain, it shows what it said last. */
export async function statusThat(
  world: World,
  what: string,
  isSo: (answer: StatusAnswer) => boolean,
  timeoutMs = 90_000,
): Promise<StatusAnswer> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const answer = await status(world);
    if (isSo(answer)) return answer;
    if (performance.now() > end) {
      throw new Error(`waited ${timeoutMs / 1_000} s in vain for: ${what}\n${JSON.stringify(answer, undefined, 1)}`);
    }
    await sleep(PAUSE_MS);
  }
}
