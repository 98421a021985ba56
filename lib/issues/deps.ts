import type { ReconcileDeps } from "../ports/deps.ts";

export type IssueDeps = Pick<
  ReconcileDeps,
  "issues" | "seals" | "leases" | "clock" | "random" | "withDeadline" | "log" | "metrics" | "fleet"
>;
