import type { Digest } from "../digest.ts";
import type { SecretData } from "../secret-value.ts";

/**
 * What a kind that issues must know of its destination before it asks. For one attempt: it reads the destination once,
 * for all calls together.
 */
export interface Holding {
  /**
   * Throws the refusal that a write of new data would meet: not ours, immutable, missing, being deleted. Writes nothing.
   * `rehearse`: also sends the write as a dry run, with placeholders for these keys, because the last one failed. A dry
   * run knows neither the size of the values nor what a webhook thinks of them.
   */
  admit(rehearse: readonly string[] | undefined, signal: AbortSignal): Promise<void>;
  /**
   * The data under these keys, if together it has this digest; undefined when it differs, or is absent. Other keys do
   * not matter: the write that follows removes them.
   */
  holds(keys: readonly string[], digest: Digest, signal: AbortSignal): Promise<SecretData | undefined>;
  /** Whether a destination that the row had before holds this data: the declaration named it when the data was written. */
  holdsElsewhere(keys: readonly string[], digest: Digest, signal: AbortSignal): Promise<boolean>;
  /** All data of the Secret as another controller left it for this declaration; undefined when it is not its own. */
  left(signal: AbortSignal): Promise<SecretData | undefined>;
}
