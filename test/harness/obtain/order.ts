import type { Environment } from "./find.ts";

/** What each way to obtain a server is told: put an executable `name` into `folder`. */
export interface Order {
  readonly name: string;
  readonly folder: string;
  readonly env: Environment;
  readonly progress: (text: string) => void;
}
