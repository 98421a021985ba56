import { clusterNamespaceOf } from "../../keys.ts";
import type { SecretData } from "../../secret-value.ts";
import { type Answer, secretData, templateInput } from "../../transform/secret-data.ts";
import { isPlain, type Transformation } from "../../transform/transformation.ts";
import type { ForeseeInput } from "../kind.ts";

export interface Transformed {
  readonly data: SecretData;
  /** Where templates wrote missing fields. */
  readonly missing: readonly string[];
}

/**
 * The Secret's data for Vault's answer. Without templates and filters the engine is not even loaded. `added`: keys
 * beside those of fields and templates, which no filter drops. Throws as secretData and the template engine do.
 */
export async function transformed(
  { row, templates, signal }: Pick<ForeseeInput, "row" | "templates" | "signal">,
  transformation: Transformation,
  source: Answer,
  added?: SecretData,
): Promise<Transformed> {
  if (isPlain(transformation)) return { data: secretData(source, transformation, undefined, added), missing: [] };
  const rendering = { ...transformation, input: templateInput(source, row.declared) };
  const rendered = await templates.render(rendering, clusterNamespaceOf(row.key), signal);
  return { data: secretData(source, transformation, rendered, added), missing: rendered.missing };
}
