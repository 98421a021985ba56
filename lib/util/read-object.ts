/** A version of an object, and when it was uploaded, in ms since 1970. */
export interface ObjectVersion {
  readonly id: string;
  readonly at: number;
}

export interface FoundObject {
  readonly text: string;
  readonly tag: string;
  /** Missing in a bucket without versions. */
  readonly version?: ObjectVersion;
}

/** Reads an object of a bucket unless it still has this tag. Undefined: it does not exist. */
export type ReadObject = (key: string, tag?: string) => Promise<FoundObject | "unchanged" | undefined>;

/** Reads an object as it was in this version. Undefined: there is no such version any more. */
export type ReadVersion = (key: string, version: string) => Promise<FoundObject | undefined>;
