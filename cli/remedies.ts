import { readFileSync } from "node:fs";
import { DISPOSITIONS, type Disposition, type ErrorCode } from "../lib/errors.ts";

/** What a code means, what to do about it, and what happens next by itself. */
export interface Remedy {
  readonly next: Disposition;
  /** As docs/errors.md has it. */
  readonly meaning?: string;
}

/** The page stands beside the sources as well as beside the bundle of the npm package: what people read is what they are told. */
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
