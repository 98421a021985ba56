import type { Edit } from "./mutated-text.ts";

export const MUTANT_VARIABLE = "KEYFERRY_MUTANT";
/** Test files that one process runs, one after the other: a JSON list of URLs. */
export const FILES_VARIABLE = "KEYFERRY_MUTATION_FILES";
/** Where the first failure is written to. */
export const FAILURE_FD = 3;

export interface LoadedMutant {
  readonly url: string;
  readonly edit: Edit;
}
