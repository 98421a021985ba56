/**
 * Reads an object of a bucket by its key, if it is another one than that of this tag. Undefined: it is not there.
 */
export type ReadObject = (
  key: string,
  tag?: string,
) => Promise<{ readonly text: string; readonly tag: string } | "unchanged" | undefined>;
