import type { Effect } from "../audit/effect.ts";
import type { EpochMs } from "../clock.ts";
import type { ChangedPlace } from "../ports/look-up.ts";

/** What the lines of one window mean, each place once. */
export interface Changed {
  readonly places: readonly ChangedPlace[];
  /** Missing: none. `leases`: only rows with Vault leases may be meant. */
  readonly sweep?: "all" | "leases";
  /** Login mounts whose tokens are in doubt. Missing: none. */
  readonly tokens?: readonly string[] | "all";
}

/** Collects effects until they are taken. */
export interface Changes {
  add(effect: Effect, at: EpochMs): void;
  take(): Changed;
}

export function changes(): Changes {
  let places = new Map<string, ChangedPlace>();
  let sweep: Changed["sweep"];
  let tokens: Set<string> | "all" | undefined;
  const change = (place: ChangedPlace): void => {
    const id = idOf(place);
    places.set(id, merged(places.get(id), place));
  };
  return {
    add(effect, at) {
      switch (effect.kind) {
        case "path": {
          const { kind, ...rest } = effect;
          return change({ where: kind, ...rest, at });
        }
        case "prefix": {
          const { kind, prefix, ...rest } = effect;
          return change({ where: kind, path: prefix, ...rest, at });
        }
        case "sweep":
          sweep = effect.lease && sweep !== "all" ? "leases" : "all";
          return;
        case "tokens":
          tokens = withMount(tokens, effect.mount);
          return;
        default:
          return effect satisfies never;
      }
    },
    take() {
      const known = tokens === undefined ? {} : { tokens: tokens === "all" ? tokens : [...tokens] };
      const taken: Changed = { places: [...places.values()], ...(sweep && { sweep }), ...known };
      places = new Map();
      sweep = undefined;
      tokens = undefined;
      return taken;
    },
  };
}

/** The same for the same place. */
export function idOf({ where, path, endsWith }: Pick<ChangedPlace, "where" | "path" | "endsWith">): string {
  return JSON.stringify([where, path, endsWith]);
}

function withMount(known: Set<string> | "all" | undefined, mount: string | undefined): Set<string> | "all" {
  if (known === "all" || mount === undefined) return "all";
  return (known ?? new Set()).add(mount);
}

/** Keeps the highest version, and when it was written; versions from before a new beginning do not count. */
function merged(known: ChangedPlace | undefined, next: ChangedPlace): ChangedPlace {
  if (known === undefined) return next;
  const lease = known.lease || next.lease ? ({ lease: true } as const) : {};
  if (next.forget) return { ...next, ...lease };
  const isHigher = (next.version ?? 0) >= (known.version ?? 0);
  const { version, at } = isHigher ? next : known;
  const { version: _version, at: _at, lease: _lease, changedAfter: _after, ...same } = known;
  const after = isChangedAfter(known, next) ? ({ changedAfter: true } as const) : {};
  return { ...same, ...(version === undefined ? {} : { version, ...after }), ...lease, at };
}

/** A later version is of a later write, which such a change does not follow. */
function isChangedAfter(known: ChangedPlace, next: ChangedPlace): boolean {
  if (known.version === undefined) return false;
  return next.version === undefined || (known.changedAfter === true && next.version <= known.version);
}
