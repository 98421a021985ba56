/** What the engine answers (lib/transform/engine). */
export type Answer = { readonly problem: Problem } | Success;

export interface Success {
  readonly outputs: readonly { readonly key: string; readonly value: string }[];
  readonly fields: readonly string[];
}

/** A failure in words that hold nothing of the data. */
export interface Problem {
  readonly template?: string;
  readonly line?: number;
  readonly column?: number;
  /** The part of the template that failed. */
  readonly at?: string;
  readonly because: string;
}

export function answerOf(bytes: Uint8Array): Answer {
  return JSON.parse(new TextDecoder().decode(bytes)) as Answer;
}

const MAX_NAME = 200;

/** `template "shop/db/url", line 1, column 12, at <fail .Secrets.x>: the function fail refused what it was given`. */
export function problemMessage({ template, line, column, at, because }: Problem): string {
  const place = [
    ...(template === undefined ? [] : [`template ${JSON.stringify(template.slice(0, MAX_NAME).toWellFormed())}`]),
    ...(line === undefined ? [] : [`line ${line}`]),
    ...(column === undefined ? [] : [`column ${column}`]),
    ...(at === undefined ? [] : [`at <${at}>`]),
  ];
  return place.length === 0 ? because : `${place.join(", ")}: ${because}`;
}
