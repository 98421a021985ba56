/** One change of a text: what stands from `start` to `end` is replaced. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

export function mutatedText(text: string, { start, end, replacement }: Edit): string {
  return text.slice(0, start) + replacement + text.slice(end);
}

/** Lines of a diff that are enough to know a place by. */
const MOST_LINES = 4;

/** The changed lines, as a diff has them. */
export function diffOf(text: string, edit: Edit): readonly string[] {
  const from = text.lastIndexOf("\n", edit.start - 1) + 1;
  const lines = (of: string, to: number, sign: string) => {
    const changed = of
      .slice(from, lineEnd(of, to))
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
    const shown = changed.length > MOST_LINES ? [...changed.slice(0, MOST_LINES - 1), "…"] : changed;
    return shown.map((line) => `${sign} ${line}`);
  };
  return [...lines(text, edit.end, "-"), ...lines(mutatedText(text, edit), edit.start + edit.replacement.length, "+")];
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end === -1 ? text.length : end;
}
