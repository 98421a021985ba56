import type { SecretData } from "../secret-value.ts";
import type { LosslessObject } from "../util/lossless.ts";

/** One template of a set; any may call another by its name. */
export interface TemplateSource {
  readonly name: string;
  /** The Secret's key that it fills; missing when it is only called by others. */
  readonly key?: string;
  readonly text: string;
}

/** What templates see as their dot. */
export interface TemplateInput {
  readonly secrets: LosslessObject;
  readonly metadata: LosslessObject;
  /** Of the declaration. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Rendering {
  /** Rendered in this order; of two that fill the same key the last one counts. */
  readonly templates: readonly TemplateSource[];
  /** RE2, matched anywhere in the names of source fields: excludes first, then includes. */
  readonly includes: readonly string[];
  readonly excludes: readonly string[];
  readonly input: TemplateInput;
  /** `error`: a field that is not there is a failure. Else it is written as `<no value>`, as Go does, and named in `missing`. */
  readonly missingKey?: MissingKey;
}

export type MissingKey = "default" | "error";

export interface Rendered {
  readonly outputs: SecretData;
  /** Names of the source fields that the filters let through. */
  readonly fields: ReadonlySet<string>;
  /** Where templates wrote what is not there, by template and position: the first ten places. */
  readonly missing: readonly string[];
}

/** Bounded in time, memory and output. Throws TRANSFORM_FAILED, which names template and position and never a value. */
export interface TemplateEngine {
  render(rendering: Rendering, signal: AbortSignal): Promise<Rendered>;
}
