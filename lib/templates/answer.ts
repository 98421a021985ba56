/** The engine's answer (lib/transform/engine). */
export type Answer = { readonly problem: Problem } | Success;

export interface Success {
  readonly outputs: readonly { readonly key: string; readonly value: string }[];
  readonly fields: readonly string[];
  /** Where a template used a missing field. */
  readonly missing: readonly Place[];
}

/** A place in a template, described without any data. */
export interface Place {
  readonly template?: string;
  readonly line?: number;
  readonly column?: number;
  /** The expression. */
  readonly at?: string;
}

export interface Problem extends Place {
  readonly because: string;
}

export function answerOf(bytes: Uint8Array): Answer {
  return JSON.parse(new TextDecoder().decode(bytes)) as Answer;
}

const MAX_NAME = 200;

/** `template "shop/db/url", line 1, column 12, at <fail .Secrets.x>: the function fail refused what it was given`. */
export function problemMessage({ because, ...place }: Problem): string {
  const where = placeText(place);
  return where === "" ? because : `${where}: ${because}`;
}

/** `template "shop/db/url", line 1, column 12, at <.Secrets.pass>`. */
export function placeText({ template, line, column, at }: Place): string {
  return [
    ...(template === undefined ? [] : [`template ${JSON.stringify(template.slice(0, MAX_NAME).toWellFormed())}`]),
    ...(line === undefined ? [] : [`line ${line}`]),
    ...(column === undefined ? [] : [`column ${column}`]),
    ...(at === undefined ? [] : [`at <${at}>`]),
  ].join(", ");
}
