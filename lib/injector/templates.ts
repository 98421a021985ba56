import type { TemplateFormat } from "../injector-settings.ts";

/** Templates that the injector writes itself; the agent renders them. */

export interface Delimiters {
  readonly left: string;
  readonly right: string;
}

/** A string literal of Go. A quote in a path must not end it. */
export function goString(text: string): string {
  const escaped = text.replace(/["\\]/g, (found) => `\\${found}`);
  return `"${escaped.replace(/\p{Cc}/gu, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`)}"`;
}

function withDelimiters(parts: readonly string[], { left, right }: Delimiters): string {
  // Every second part is an action.
  return parts.map((part, at) => (at % 2 === 1 ? `${left} ${part} ${right}` : part)).join("");
}

/** The secret at this path, as lines `key: value` or as JSON. */
export function defaultTemplate(path: string, format: TemplateFormat, delimiters: Delimiters): string {
  const read = `with secret ${goString(path)}`;
  return format === "json"
    ? withDelimiters(["", read, "", ".Data | toJSON", "\n", "end", ""], delimiters)
    : withDelimiters(
        ["", read, "", "range $k, $v := .Data", "", "$k", ": ", "$v", "\n", "end", "", "end", ""],
        delimiters,
      );
}

/**
 * The fields of the secret as assignments of a shell. Of a kv-v2 secret those of its data. Characters that a variable's
 * name cannot have become underscores; a quote in a value ends the quoted text, stands escaped, and begins it again.
 */
export function environmentTemplate(path: string, delimiters: Delimiters): string {
  const parts = [
    "",
    `with secret ${goString(path)}`,
    "",
    "$d := .Data",
    "",
    'if and (index .Data "data") (index .Data "metadata")',
    "",
    '$d = index .Data "data"',
    "",
    "end",
    "",
    "range $k, $v := $d",
    "export ",
    '$k | regexReplaceAll "[^A-Za-z0-9_]" "_" | regexReplaceAll "^([0-9])" "_$1"',
    "='",
    `$v | printf "%v" | replaceAll "'" ${goString("'\\''")}`,
    "'\n",
    "end",
    "",
    "end",
    "",
  ];
  return withDelimiters(parts, delimiters);
}
