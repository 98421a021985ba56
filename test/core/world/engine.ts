import { circuitOfCluster } from "../../../lib/circuits.ts";
import { MINUTE_MS, SECOND_MS } from "../../../lib/clock.ts";
import { releaseDeparted } from "../../../lib/discovery/departed.ts";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import type { Keyferry } from "./process.ts";
import type { MemoryQueue } from "./queue.ts";

export interface EngineOptions {
  readonly clusters: () => readonly ClusterSettings[];
  readonly queue: MemoryQueue;
  readonly tickMs: number;
  readonly horizonMs: number;
  readonly watchSeconds: number;
  /** Told of what nobody foresaw. */
  readonly crashed: (what: string, error: unknown) => void;
}

/** What the embedded engine does on timers and the functions do by schedule: ticks, watch passes, probes and work, until it dies. */
export function runEngine(process: Keyferry, options: EngineOptions): void {
  const { clusters, queue, tickMs, horizonMs, watchSeconds, crashed } = options;
  process.onCrash(queue.join((message) => process.handle(message)));
  const beat = async (what: string, work: () => Promise<void>): Promise<void> => {
    while (!process.isDead()) {
      try {
        await work();
      } catch (error) {
        crashed(what, error);
      }
      await process.sleep(tickMs);
    }
  };
  const follow = async (settings: ClusterSettings): Promise<void> => {
    for (let isFirst = true; !process.isDead(); isFirst = false) {
      const againAt = await passOver(settings, isFirst);
      await untilNextPass(settings, againAt);
    }
  };
  const passOver = async (settings: ClusterSettings, isFirst: boolean): Promise<number> => {
    try {
      return (await process.watch(settings, { seconds: watchSeconds, isFirst })).againAt;
    } catch (error) {
      crashed("watch-pass", error);
      return process.deps.clock() + MINUTE_MS;
    }
  };
  /** A cluster that was out of reach is looked at again as soon as a probe finds it. */
  const untilNextPass = async ({ name }: ClusterSettings, againAt: number): Promise<void> => {
    const { clock } = process.deps;
    const isOpen = () => process.reconcile.circuits.openAmong([circuitOfCluster(name)]);
    if (await isOpen()) while (clock() < againAt && (await isOpen())) await process.sleep(SECOND_MS);
    else await process.sleep(againAt - clock());
  };
  /** Once, as each process of the embedded engine does when it starts. */
  const release = async (): Promise<void> => {
    try {
      await releaseDeparted(process.deps, clusters(), { isAlone: true });
    } catch (error) {
      crashed("release", error);
    }
  };
  void release();
  void beat("tick", () => process.tick(horizonMs));
  void beat("probe", () => process.probe());
  for (const settings of clusters()) void follow(settings);
}
