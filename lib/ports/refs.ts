import type { ReferenceKey } from "../keys.ts";

/** What a row waits for besides resources. When it is resolved, released or closed, the row wakes (lease-table 23). */
export type WaitKey =
  /** A failure's cause (lib/failures/causes.ts). */
  | `cause:${string}`
  /** `<cluster>/<namespace>/<name>` of a Secret that the row may not write. */
  | `destination:${string}`
  /** A path of a Vault that another row pushes to: its fingerprint (`pathWait`). */
  | `path:${string}`
  /** The circuit of a Vault, for resources whose status shows it. */
  | `circuit:${string}`
  /** A Vault that denied the login or the request: as in `Place`. */
  | `denied:${string}`;

/** Everything by which `byReference` finds rows. */
export type Ref = ReferenceKey | WaitKey | `target:${string}`;
