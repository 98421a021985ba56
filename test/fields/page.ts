import { COVERED, type Covering } from "./covered.ts";
import { expanded, fieldsByKind } from "./fields.ts";
import { FIELD_STATES, type FieldState } from "./states.ts";

const MARKERS = { open: "<!-- fields -->\n", close: "<!-- /fields -->" } as const;

/** The state that was written down for a field; undefined: it works. */
export function stateOf(field: string): FieldState | undefined {
  const isBelow = (above: string) => field === above || field.startsWith(`${above}.`) || field.startsWith(`${above}[`);
  return FIELD_STATES.find((state) => isBelow(state.field));
}

/** Tests by the field that they show. */
export function testsByField(): ReadonlyMap<string, readonly Covering[]> {
  const found = new Map<string, Covering[]>();
  for (const covering of COVERED) {
    for (const field of covering.fields.flatMap(expanded)) found.set(field, [...(found.get(field) ?? []), covering]);
  }
  return found;
}

/** docs/compatibility.md with its tables of fields made anew. */
export function withFields(page: string): string {
  const [before, rest] = page.split(MARKERS.open);
  const after = rest?.split(MARKERS.close)[1];
  if (before === undefined || after === undefined) throw new Error("docs/compatibility.md has no place for its fields");
  return `${before}${MARKERS.open}${tables()}\n${MARKERS.close}${after}`;
}

function tables(): string {
  const numbers = new Map(COVERED.map((covering, at) => [covering, at + 1]));
  const tests = testsByField();
  const kinds = [...fieldsByKind()].map(([kind, fields]) => {
    const whole = stateOf(kind);
    if (whole !== undefined) return `### ${kind}\n\nAll ${fields.length} fields: ${whole.state}; ${whole.because}.`;
    const rows = fields.map((field) => {
      const state = stateOf(field);
      const told = state === undefined ? "works" : `${state.state}: ${state.because}`;
      const shown = (tests.get(field) ?? []).map((covering) => numbers.get(covering)).join(", ");
      return `| \`${field.slice(kind.length + 1)}\` | ${told} | ${shown} |`;
    });
    return `### ${kind}\n\n| field | state | shown by |\n| --- | --- | --- |\n${rows.join("\n")}`;
  });
  const list = COVERED.map(({ file, test }, at) => {
    const name =
      file
        .split("/")
        .at(-1)
        ?.replace(/(\.test|\.contract)?\.ts$/, "") ?? file;
    return `${at + 1}. [${name}](../test/${file}): ${test}`;
  });
  return `\n${kinds.join("\n\n")}\n\n### The tests\n\n${list.join("\n")}\n`;
}
