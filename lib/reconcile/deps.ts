import type { KindRegistry } from "../kinds/registry.ts";
import type { ReconcileDeps } from "../ports/deps.ts";

/** The dependencies of the core, and its kinds. */
export interface CoreDeps extends ReconcileDeps {
  readonly kinds: KindRegistry;
}
