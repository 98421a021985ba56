import type { KeysMessage, LookUpMessage, WorkQueue } from "../ports/queue.ts";
import type { LookUps } from "./look-ups.ts";
import type { TokenSweeps } from "./token-sweeps.ts";

/** Passes each message to the part of this engine that processes it. */
export function messageRouter(
  queue: WorkQueue<KeysMessage>,
  sweeps: Pick<TokenSweeps, "note">,
  looks: Pick<LookUps, "note">,
): WorkQueue {
  return {
    async send(messages) {
      const work: KeysMessage[] = [];
      const lookUps: LookUpMessage[] = [];
      for (const message of messages) {
        switch (message.kind) {
          case "keys":
            work.push(message);
            break;
          case "token-sweep":
            sweeps.note([message]);
            break;
          case "look-up":
            lookUps.push(message);
            break;
          case "probe":
            // Ignored: each tick of the engine finds due probes itself.
            break;
        }
      }
      if (lookUps.length > 0) await looks.note(lookUps);
      await queue.send(work);
    },
  };
}
