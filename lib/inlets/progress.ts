import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { codeOf } from "../util/error-code.ts";
import type { FilePosition, Positions } from "./position.ts";
import type { InletDeps } from "./sink.ts";

/** How far a follower has come. */
export interface Progress {
  /** All lines up to here are taken; undefined: there is no file yet. */
  taken(file: FilePosition | undefined): void;
  /** Stores it unless it is stored, or a position in the same file was stored within the last second. */
  save(): Promise<void>;
  /** Stores it at the end of a follower. */
  saveLast(): Promise<void>;
}

export interface ProgressOptions {
  readonly path: string;
  readonly positions: Positions;
  /** For the log. */
  readonly what: Readonly<Record<string, string>>;
}

const LOGGED_EVERY_MS = MINUTE_MS;
/** After a crash, the lines of so long come again, which is harmless. */
const SAVE_MS = SECOND_MS;

export function progressOf({ clock, log }: InletDeps, { path, positions, what }: ProgressOptions): Progress {
  let known: { readonly file: FilePosition | undefined } | undefined;
  let stored: typeof known;
  let savedAt: EpochMs | undefined;
  let loggedAt = Number.NEGATIVE_INFINITY;
  const store = async (): Promise<void> => {
    const now = known;
    if (now === undefined || now === stored) return;
    const at = clock();
    savedAt = at;
    try {
      await positions.save(now.file === undefined ? { path } : { path, file: now.file });
      stored = now;
    } catch (error) {
      // Nothing is lost: more lines come again.
      if (at - loggedAt < LOGGED_EVERY_MS) return;
      loggedAt = at;
      const why = codeOf(error) ?? "unknown";
      const remedy = why === "ENOSPC" ? "free its disk" : "let keyferry write to its data directory";
      log.warn("inlet-position-not-stored", { ...what, why, remedy });
    }
  };
  return {
    taken(file) {
      const isSame = known !== undefined && known.file?.inode === file?.inode && known.file?.offset === file?.offset;
      // A crash must not leave the position in the former file: nothing would show if this one were gone by then.
      if (known?.file?.inode !== file?.inode) savedAt = undefined;
      if (!isSame) known = { file };
    },
    async save() {
      // A clock that was set back must not stop it.
      if (savedAt === undefined || Math.abs(clock() - savedAt) >= SAVE_MS) await store();
    },
    saveLast: store,
  };
}
