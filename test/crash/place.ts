import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../lib/clock.ts";

/** Where one point keeps what outlives its processes; as JSON it travels to a child. */
export interface PointPlace {
  readonly folder: string;
  /** The name of its cluster, and of its namespace in it. */
  readonly name: string;
  readonly store: StorePlace;
}

export type StorePlace =
  | { readonly kind: "sqlite" }
  | { readonly kind: "dynamodb"; readonly endpoint: string; readonly table: string };

export const fleetPathOf = ({ folder }: Pick<PointPlace, "folder">): string => join(folder, "fleet.yaml");
export const logPathOf = ({ folder }: Pick<PointPlace, "folder">): string => join(folder, "log");

/** The point's time: that of the machine, and what was skipped. */
export interface PointClock extends Disposable {
  readonly now: Clock;
  skip(ms: number): void;
}

/**
 * A clock that all processes of a point share, alive or dead: what one skips has passed for the others too, also for one
 * that stands still.
 */
export function pointClock({ folder }: Pick<PointPlace, "folder">): PointClock {
  const file = openSync(join(folder, "skipped"), "a+");
  const bytes = Buffer.alloc(8);
  const skipped = (): number => (readSync(file, bytes, 0, 8, 0) === 8 ? bytes.readDoubleLE() : 0);
  const path = join(folder, "skipped");
  return {
    now: () => Date.now() + skipped(),
    skip(ms) {
      bytes.writeDoubleLE(skipped() + ms);
      const out = openSync(path, "r+");
      writeSync(out, bytes, 0, 8, 0);
      closeSync(out);
    },
    [Symbol.dispose]: () => closeSync(file),
  };
}

/** What a point's processes logged. */
export function logOf(place: Pick<PointPlace, "folder">): string {
  try {
    return readFileSync(logPathOf(place), "utf8");
  } catch {
    return "";
  }
}

export function writeFleet(place: Pick<PointPlace, "folder">, fleet: object): void {
  writeFileSync(fleetPathOf(place), JSON.stringify(fleet));
}
