import { inProcessQueue } from "../../lib/embedded/queue.ts";
import { waitFor } from "../harness/index.ts";
import { workQueueContract } from "./work-queue.contract.ts";

const limits = { lane: { renew: 100, now: 100, refresh: 25 }, cluster: 1_000, namespace: 1_000, waiting: 1_000 };

workQueueContract("in the engine's process", (handle) => ({
  queue: inProcessQueue({ clock: Date.now, limits, handle }),
  now: Date.now,
  until: async (isSo) => void (await waitFor("it", async () => isSo())),
  [Symbol.dispose]: () => undefined,
}));
