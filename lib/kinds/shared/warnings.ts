import type { Warning } from "../../origins/warnings.ts";

/** The maximum number of template places in a message. */
const MAX_PLACES = 3;

/** The warning about templates that wrote missing fields, if there are any. */
export function incompleteTemplates(missing: readonly string[]): readonly Warning[] {
  if (missing.length === 0) return [];
  const left = missing.length - MAX_PLACES;
  const places = `${missing.slice(0, MAX_PLACES).join("; ")}${left > 0 ? `; and ${left} more` : ""}`;
  const message =
    `a template uses missing fields, so the Secret holds <no value> or <nil> in their place: ${places}. ` +
    "Use existing fields, or give them defaults";
  return [{ type: "TemplatesComplete", status: "False", reason: "NoSuchField", message }];
}
