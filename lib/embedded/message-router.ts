import type { KeysMessage, WorkQueue } from "../ports/queue.ts";
import type { TokenSweeps } from "./token-sweeps.ts";

/** Brings each message to the part of this engine that does what it asks. */
export function messageRouter(queue: WorkQueue<KeysMessage>, sweeps: Pick<TokenSweeps, "note">): WorkQueue {
  return {
    async send(messages) {
      const work: KeysMessage[] = [];
      for (const message of messages) {
        switch (message.kind) {
          case "keys":
            work.push(message);
            break;
          case "token-sweep":
            sweeps.note([message]);
            break;
          case "probe":
            // Not needed: the engine looks for due probes itself with each tick.
            break;
        }
      }
      await queue.send(work);
    },
  };
}
