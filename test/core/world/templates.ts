import { SyncError } from "../../../lib/errors.ts";
import type { TemplateEngine } from "../../../lib/ports/templates.ts";
import { SecretValue } from "../../../lib/secret-value.ts";

let numbers = 0;

/** How many more renderings of `{{ slow }}` are refused, since too many of its namespace wait. */
export const crowd = { left: 0 };

/**
 * Filters, and templates as far as `{{ .Secrets.name }}`, `{{ slow }}` and `{{ randInt }}`, another number each time: the
 * real engine has suites of its own, in threads of its own.
 */
export const plainTemplates: TemplateEngine = {
  async render({ templates, includes, excludes, input, missingKey }) {
    const isLetThrough = (field: string): boolean =>
      !excludes.some((pattern) => new RegExp(pattern).test(field)) &&
      (includes.length === 0 || includes.some((pattern) => new RegExp(pattern).test(field)));
    const outputs = new Map<string, SecretValue>();
    for (const { key, name, text } of templates) {
      if (text.includes("{{ slow }}") && crowd.left-- > 0)
        throw new SyncError("DEADLINE_EXCEEDED", "the templates were not rendered: too many slow ones");
      const numbered = text.replaceAll("{{ slow }}", "").replaceAll(/\{\{ *randInt *\}\}/g, () => String(++numbers));
      const rendered = numbered.replaceAll(/\{\{ *\.Secrets\.(\w+) *\}\}/g, (_, field: string) => {
        if (missingKey === "error" && input.secrets[field] === undefined)
          throw new SyncError("TRANSFORM_FAILED", `template ${name}: there is no ${field}`);
        return String(input.secrets[field] ?? "");
      });
      if (rendered.includes("{{"))
        throw new SyncError("TRANSFORM_FAILED", `template ${name} is more than a world in memory renders`);
      if (key !== undefined) outputs.set(key, SecretValue.of(rendered));
    }
    return { outputs, fields: new Set(Object.keys(input.secrets).filter(isLetThrough)), missing: [] };
  },
};
