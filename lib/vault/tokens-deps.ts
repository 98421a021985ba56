import type { Clock } from "../clock.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import type { LoginDeps } from "./login.ts";
import type { TokenCache } from "./token-cache.ts";

export interface TokensDeps extends LoginDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics | undefined;
  /** Missing: each process logs in by itself. */
  readonly cache?: TokenCache | undefined;
}
