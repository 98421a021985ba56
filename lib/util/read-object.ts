/** Reads an object of a bucket unless it still has this tag. Undefined: it does not exist. */
export type ReadObject = (
  key: string,
  tag?: string,
) => Promise<{ readonly text: string; readonly tag: string } | "unchanged" | undefined>;
