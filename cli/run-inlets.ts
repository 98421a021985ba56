import { join } from "node:path";
import { lineReader } from "../lib/audit/line-meaning.ts";
import type { Clock } from "../lib/clock.ts";
import type { Engine } from "../lib/embedded/engine.ts";
import type { NamedVault } from "../lib/fleet/named-vaults.ts";
import { type EmbeddedInlets, embeddedInlets } from "../lib/inlets/embedded-inlets.ts";
import type { FleetFiles } from "../lib/ports/fleet-files.ts";
import type { Inlet } from "../lib/ports/inlet.ts";
import type { OwnCalls } from "../lib/ports/own-calls.ts";
import type { Log } from "../lib/ports/telemetry.ts";
import type { VaultEvents } from "../lib/ports/vault-events.ts";
import type { PrometheusMetrics } from "../lib/telemetry/metrics.ts";
import { sleep } from "./stop-signal.ts";

export interface RunInletsOptions {
  readonly engine: Pick<Engine, "inlet">;
  /** What this process revoked itself. */
  readonly own: OwnCalls;
  readonly files: FleetFiles;
  readonly dataDir: { readonly path: string };
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: PrometheusMetrics;
}

/** The inlets of `run`, which follow the Vaults of fleet.yaml. */
export interface RunInlets extends AsyncDisposable {
  set(vaults: readonly NamedVault[]): Promise<void>;
}

/** Ways in that only the functions on AWS serve. */
const OF_AWS: readonly (keyof VaultEvents)[] = ["cloudwatchLogs", "eventBridge", "s3", "post"];

export function runInlets({ engine, own, files, dataDir, metrics, ...deps }: RunInletsOptions): RunInlets {
  const inletOf = onePerVault((vault) => engine.inlet(vault, readLine));
  const readLine = lineReader(own);
  const folder = join(dataDir.path, "inlets");
  const inlets: EmbeddedInlets = embeddedInlets({
    ...{ ...deps, metrics, inletOf, files, folder, sleep, random: Math.random },
  });
  metrics.gauge(
    "keyferry_inlet_lag_bytes",
    "Bytes of followed audit files that are not taken yet.",
    ["vault"],
    async () => inlets.lags().map(({ vault, bytes }) => ({ labels: { vault }, value: bytes })),
  );
  return {
    async set(vaults) {
      tellUnserved(deps.log, vaults);
      await inlets.set(vaults);
    },
    [Symbol.asyncDispose]: () => inlets.close(),
  };
}

/** Each coalesces what concerns its Vault, whatever the ways in. */
function onePerVault(make: (vault: string) => Inlet): (vault: string) => Inlet {
  const known = new Map<string, Inlet>();
  return (vault) => {
    const inlet = known.get(vault) ?? make(vault);
    known.set(vault, inlet);
    return inlet;
  };
}

function tellUnserved(log: Log, vaults: readonly NamedVault[]): void {
  for (const { name, events = {} } of vaults) {
    const unserved = OF_AWS.filter((way) => events[way] !== undefined);
    if (unserved.length > 0) {
      log.warn("inlets-not-served", { vault: name, inlets: unserved.join(", "), because: "only functions on AWS do" });
    }
  }
}
