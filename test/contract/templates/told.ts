import { SyncError } from "../../../lib/errors.ts";
import type { Rendering } from "../../../lib/ports/templates.ts";
import type { GoTemplates } from "../../../lib/templates/template-engine.ts";

/** Slow machines are slow: only what never ends is to reach these. */
export const PATIENT = { quickMs: 30_000, slowMs: 60_000, slowAtOnce: 4 };

/** Whose renderings they are when it does not matter. */
export const PLACE = "east/shop";

const never = new AbortController().signal;

/** What a rendering came to, in a form that can be compared. */
export interface Told {
  readonly outputs?: Readonly<Record<string, string>>;
  readonly fields?: readonly string[];
  readonly missing?: readonly string[];
  readonly message?: string;
}

export async function told(engine: GoTemplates, asked: Rendering, place = PLACE): Promise<Told> {
  try {
    const { outputs, fields, missing } = await engine.render(asked, place, never);
    const bytes = [...outputs].map(([key, value]) => [key, value.reveal().toString("base64")]);
    return { outputs: Object.fromEntries(bytes), fields: [...fields].sort(), missing };
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== "TRANSFORM_FAILED") throw error;
    return { message: error.message };
  }
}
