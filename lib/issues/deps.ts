import type { ReconcileDeps } from "../ports/deps.ts";

export type IssueDeps = Pick<
  ReconcileDeps,
  "issues" | "seals" | "leases" | "clock" | "random" | "log" | "metrics" | "fleet"
>;
