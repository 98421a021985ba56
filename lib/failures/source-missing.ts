import { SyncError } from "../errors.ts";

/** A Secret, or a key of it, that a declaration names and that does not exist. */
export interface Missing {
  readonly secret: string;
  readonly key?: string;
  readonly text: string;
}

/** Nothing is pushed before all of these are there. Metrics count them one by one. */
export class SourceMissing extends SyncError {
  readonly missing: readonly Pick<Missing, "secret" | "key">[];

  constructor(missing: readonly Missing[]) {
    super("SOURCE_MISSING", `nothing is pushed: ${missing.map(({ text }) => text).join("; ")}`);
    this.missing = missing.map(({ text: _text, ...one }) => one);
  }
}
