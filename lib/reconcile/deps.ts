import type { KindRegistry } from "../kinds/registry.ts";
import type { ReconcileDeps } from "../ports/deps.ts";

/** What the core is wired with, and the kinds that it works on. */
export interface CoreDeps extends ReconcileDeps {
  readonly kinds: KindRegistry;
}
