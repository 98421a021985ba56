import { dirname, resolve } from "node:path";
import { type Clock, type EpochMs, MINUTE_MS } from "../clock.ts";
import { InputError } from "../errors.ts";
import type { FleetFiles } from "../ports/fleet-files.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import { type Bucket, bucketFiles, folderFiles } from "./files.ts";
import { type Fleet, parseFleet } from "./fleet.ts";
import { readFleet } from "./read-fleet.ts";

/** The maximum delay until a changed fleet object is noticed. */
const FRESH_MS = MINUTE_MS / 2;

export interface FleetSource {
  /** The current fleet, or the last readable one. Throws an InputError when it was never readable. */
  current(): Promise<Fleet>;
  readonly files: FleetFiles;
}

/** A fleet.yaml in this file system, read once because it is part of the package. */
export function packagedFleet(path: string): FleetSource {
  let read: ReturnType<typeof readFleet> | undefined;
  const once = async () => {
    read ??= readFleet(path);
    try {
      return await read;
    } catch (error) {
      read = undefined;
      throw error;
    }
  };
  return {
    current: async () => (await once()).fleet,
    files: folderFiles(dirname(resolve(path))),
  };
}

export interface RemoteFleetOptions extends Bucket {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** A fleet.yaml in a bucket, with the files that it names beside it. */
export function remoteFleet(options: RemoteFleetOptions): FleetSource {
  const { bucket, key, read, clock, log, metrics } = options;
  const name = `s3://${bucket}/${key}`;
  let known: { readonly fleet: Fleet; readonly tag: string } | undefined;
  let readAt: EpochMs = Number.NEGATIVE_INFINITY;
  const readAnew = async (): Promise<Fleet> => {
    const found = await read(key, known?.tag);
    if (found === undefined) throw new InputError(name, ["there is no such object: upload fleet.yaml there"]);
    if (found !== "unchanged") known = { fleet: parseFleet(found.text, name), tag: found.tag };
    if (known === undefined) throw new InputError(name, ["it was never read"]);
    readAt = clock();
    return known.fleet;
  };
  return {
    async current() {
      if (known !== undefined && clock() - readAt < FRESH_MS) return known.fleet;
      try {
        return await readAnew();
      } catch (error) {
        if (known === undefined) throw error;
        // A broken edit of the fleet must not stop the other clusters.
        metrics.count("keyferry_fleet_unreadable_total", {});
        log.error("fleet-unreadable", { fleet: name, message: error instanceof Error ? error.message : "unknown" });
        return known.fleet;
      }
    },
    files: bucketFiles(options),
  };
}
