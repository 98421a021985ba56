import type { ObjectVersion } from "../util/read-object.ts";

/** Which version of a fleet.yaml was valid last, for processes that start while it is broken. */
export interface GoodFleets {
  /** The id of the version. */
  noted(place: string): Promise<string | undefined>;
  /** Does nothing if a later upload is noted. */
  note(place: string, version: ObjectVersion): Promise<void>;
}
