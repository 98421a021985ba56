import type { SecretData } from "../secret-value.ts";
import type { LosslessObject } from "../util/lossless.ts";

/** One template of a set; any may call another by its name. */
export interface TemplateSource {
  readonly name: string;
  /** The Secret's key that it fills; missing when only other templates call it. */
  readonly key?: string;
  readonly text: string;
}

/** The dot of templates. */
export interface TemplateInput {
  readonly secrets: LosslessObject;
  readonly metadata: LosslessObject;
  /** Of the declaration. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

/** One rendering: templates, the filters of source fields, and the data. */
export interface Rendering {
  /** Rendered in this order; the last one for a key wins. */
  readonly templates: readonly TemplateSource[];
  /** RE2, matched anywhere in the names of source fields: excludes first, then includes. */
  readonly includes: readonly string[];
  readonly excludes: readonly string[];
  readonly input: TemplateInput;
  /**
   * `error`: a missing field is a failure. Otherwise it is written as `<no value>`, as in Go, and listed in `missing`.
   */
  readonly missingKey?: MissingKey;
}

/** What a template does with a field that is not there: Go's option `missingkey`. */
export type MissingKey = "default" | "error";

/** The result of a rendering, by the Secret's key. */
export interface Rendered {
  readonly outputs: SecretData;
  /** Names of the source fields that pass the filters. */
  readonly fields: ReadonlySet<string>;
  /** Where templates wrote missing fields, by template and position: the first ten places. */
  readonly missing: readonly string[];
}

/**
 * Limited in time, memory and output. Throws TRANSFORM_FAILED, which names template and position, but never a value.
 */
export interface TemplateEngine {
  /** `place` is `<cluster>/<namespace>` of the declaration: clusters and namespaces take turns. */
  render(rendering: Rendering, place: string, signal: AbortSignal): Promise<Rendered>;
}
