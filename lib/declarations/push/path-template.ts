import { labelProblem } from "../../names.ts";

/** The values of a path's placeholders: `{cluster}`, `{namespace}`, `{name}` and `{labels.<key>}`. */
export interface TemplateValues {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

type Rendered = { readonly path: string } | { readonly problems: readonly string[] };

const PLACEHOLDER = /\{([^{}]*)\}/g;
const LABEL = "labels.";

/** The maximum length of a placeholder in a message. */
const MAX_NAME = 80;

/**
 * A path with its placeholders filled in, or all problems. A value never makes another segment: it is a name or the
 * value of a label, which have no slash. The result is checked as every other path.
 */
export function renderPath(template: string, values: TemplateValues): Rendered {
  const problems = new Set<string>();
  const path = template.replace(PLACEHOLDER, (_, name: string) => {
    const found = filledIn(name, values);
    if (typeof found === "string") return found;
    problems.add(found.problem);
    return "x";
  });
  if (/[{}]/.test(template.replace(PLACEHOLDER, ""))) problems.add("must have { and } only around a placeholder");
  return problems.size > 0 ? { problems: [...problems] } : { path };
}

function filledIn(name: string, values: TemplateValues): string | { readonly problem: string } {
  if (name === "cluster" || name === "namespace" || name === "name") return values[name];
  if (!name.startsWith(LABEL)) {
    return { problem: `must not have {${cut(name)}}: use {cluster}, {namespace}, {name} or {labels.<key>}` };
  }
  const key = name.slice(LABEL.length);
  const { labels } = values;
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  if (value === undefined || value === "") return { problem: `needs the label ${cut(key)}, which is missing or empty` };
  // The API server admits no other value: this holds whatever server answers.
  if (labelProblem("x", value) !== undefined) return { problem: `needs a valid value of the label ${cut(key)}` };
  return value;
}

function cut(name: string): string {
  return name.length <= MAX_NAME ? name : `${name.slice(0, MAX_NAME).toWellFormed()}…`;
}
