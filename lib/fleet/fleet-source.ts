import { dirname, resolve } from "node:path";
import { type Clock, type EpochMs, MINUTE_MS } from "../clock.ts";
import { described } from "../described.ts";
import { InputError, SyncError } from "../errors.ts";
import type { FleetFiles } from "../ports/fleet-files.ts";
import type { GoodFleets } from "../ports/good-fleets.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import type { FoundObject, ObjectVersion, ReadVersion } from "../util/read-object.ts";
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

/** Where processes that start while fleet.yaml is broken find the one that is in force. */
export interface LastGood {
  readonly fleets: GoodFleets;
  readonly read: ReadVersion;
}

export interface RemoteFleetOptions extends Bucket {
  readonly lastGood: LastGood;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/**
 * A fleet.yaml in a bucket, with the files that it names beside it. While it is broken, the last good version stays in
 * force, whichever process read it.
 */
export function remoteFleet(options: RemoteFleetOptions): FleetSource {
  const { bucket, key, read, clock, log, metrics } = options;
  const name = `s3://${bucket}/${key}`;
  const last = lastGood(options, name);
  let known: KnownFleet | undefined;
  let readAt: EpochMs = Number.NEGATIVE_INFINITY;
  const readAnew = async (): Promise<Fleet> => {
    const found = await read(key, known?.tag);
    if (found === undefined) throw new InputError(name, ["there is no such object: upload fleet.yaml there"]);
    if (found !== "unchanged") known = knownOf(found, name);
    if (known === undefined) throw new InputError(name, ["it was never read"]);
    readAt = clock();
    await last.note(known);
    return known.fleet;
  };
  return {
    async current() {
      if (known !== undefined && clock() - readAt < FRESH_MS) return known.fleet;
      try {
        return await readAnew();
      } catch (error) {
        known ??= await last.find(error);
        // A broken edit of the fleet must not stop the other clusters.
        metrics.count("keyferry_fleet_unreadable_total", {});
        log.error("fleet-unreadable", { fleet: name, message: error instanceof Error ? error.message : "unknown" });
        return known.fleet;
      }
    },
    files: bucketFiles(options),
  };
}

interface KnownFleet {
  readonly fleet: Fleet;
  readonly tag: string;
  readonly version?: ObjectVersion;
}

function knownOf({ text, tag, version }: FoundObject, name: string): KnownFleet {
  return { fleet: parseFleet(text, name), tag, ...(version === undefined ? {} : { version }) };
}

function lastGood({ key, lastGood: { fleets, read }, log }: RemoteFleetOptions, name: string) {
  let noted: string | undefined;
  return {
    /** Notes the version of a good fleet, once. Where that fails, the fleet counts all the same. */
    async note({ version }: KnownFleet): Promise<void> {
      if (version === undefined || version.id === noted) return;
      try {
        await fleets.note(name, version);
        noted = version.id;
      } catch (error) {
        log.warn("fleet-not-noted", { fleet: name, ...described(error) });
      }
    },
    /** The last good fleet. Throws the failure where it is none of fleet.yaml itself, or no good one is known. */
    async find(failure: unknown): Promise<KnownFleet> {
      if (!isOfFleet(failure)) throw failure;
      try {
        const version = await fleets.noted(name);
        const found = version === undefined ? undefined : await read(key, version);
        if (found !== undefined) return knownOf(found, name);
      } catch (error) {
        log.warn("last-fleet-not-read", { fleet: name, ...described(error) });
      }
      throw failure;
    },
  };
}

/** What stands there is no fleet.yaml, or is too large to be read as one. */
function isOfFleet(failure: unknown): boolean {
  return failure instanceof InputError || (failure instanceof SyncError && failure.code === "STORE_INVALID");
}
