import { SyncError } from "../errors.ts";

/** A failure for the log: a bug's name and place, never its message, which could quote data. */
export function described(error: unknown): { readonly error: string; readonly at?: string; readonly code?: string } {
  if (error instanceof SyncError) return { error: error.message, code: error.code };
  if (!(error instanceof Error)) return { error: typeof error };
  const at = error.stack?.split("\n").find((line) => line.trimStart().startsWith("at "));
  return { error: error.name, ...(at === undefined ? {} : { at: at.trim() }) };
}
