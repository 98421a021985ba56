/** The files that fleet.yaml names, by their paths there: beside it in a folder, or in a bucket. */
export interface FleetFiles {
  /** Where the file is in this file system; undefined when its content has to be fetched. */
  local(path: string): string | undefined;
  /** The content. Throws REFERENCE_INVALID when it can't be read. */
  text(path: string): Promise<string>;
}
