import { readFileSync } from "node:fs";
import { DISPOSITIONS, type Disposition, type ErrorCode } from "../lib/errors.ts";

/** What a code means, what to do, and what keyferry does next. */
export interface Remedy {
  readonly next: Disposition;
  /** As in docs/errors.md. */
  readonly meaning?: string;
}

/** The page is part of the sources and of the npm package, so that the documentation and the output agree. */
const PAGE = new URL("../docs/errors.md", import.meta.url);

let meanings: ReadonlyMap<string, string> | undefined;

function read(): ReadonlyMap<string, string> {
  let text: string;
  try {
    text = readFileSync(PAGE, "utf8");
  } catch {
    return new Map();
  }
  const rows = [...text.matchAll(/^\| `([A-Z_]+)` +\| \w+ +\| (.+?) +\|$/gm)];
  return new Map(rows.map(([, code = "", meaning = ""]) => [code, meaning.replaceAll("`", "")]));
}

export function remedyOf(code: ErrorCode): Remedy {
  meanings ??= read();
  const meaning = meanings.get(code);
  return { next: DISPOSITIONS[code], ...(meaning === undefined ? {} : { meaning }) };
}
