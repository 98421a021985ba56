import type { ReadObject } from "../util/read-object.ts";

/** The bucket of a fleet, for an upload. */
export interface FleetObjects {
  readonly read: ReadObject;
  /**
   * Writes an object, encrypted as the bucket's default says. With `replaces` only if the object still has this tag, or
   * does not exist (`absent`): false when another upload was first.
   */
  put(key: string, text: string, replaces?: { readonly tag: string } | "absent"): Promise<boolean>;
  /** The keys that begin with this. */
  list(prefix: string): Promise<readonly string[]>;
  /** Whether an object was uploaded by `put`. */
  isOurs(key: string): Promise<boolean>;
  remove(key: string): Promise<void>;
}
