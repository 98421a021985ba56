import { OF_ENGINES } from "./kinds-of-engines.ts";
import { OF_THE_SYSTEM } from "./kinds-of-the-system.ts";
import type { OperationKind } from "./operation-kind.ts";

/** The last one ends the server's work. */
const LAST: OperationKind = { name: "sys: seal", run: (vault) => vault.seal() };

export const KINDS: readonly OperationKind[] = [...OF_ENGINES, ...OF_THE_SYSTEM, LAST];
