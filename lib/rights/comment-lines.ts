const MAX_WIDTH = 120;

/** A text as comment lines of YAML, HCL and shells, wrapped. */
export function commentLines(text: string, indent = ""): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && `${indent}# ${longer}`.length > MAX_WIDTH) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line].map((one) => `${indent}# ${one}`.trimEnd());
}
