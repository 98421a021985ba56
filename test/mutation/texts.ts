import {
  isArrayLiteralExpression,
  isBinaryExpression,
  isCaseClause,
  isElementAccessExpression,
  isNoSubstitutionTemplateLiteral,
  isPropertyAssignment,
  isStringLiteral,
  isTemplateExpression,
} from "typescript/unstable/ast";
import type { Edit } from "./mutated-text.ts";
import { isSentence } from "./no-behaviour.ts";
import type { Operator } from "./operators.ts";

const SQL = /\b(SELECT|UPDATE|DELETE FROM|INSERT INTO)\b/;

/** A key or a code that is empty. What is compared, a case, a member or an entry is mutated already as such. */
const textEmptied: Operator = (node) => {
  if (!isStringLiteral(node) && !isNoSubstitutionTemplateLiteral(node)) return [];
  const { parent } = node;
  const isPart = isPropertyAssignment(parent) || isArrayLiteralExpression(parent);
  const isCompared =
    isCaseClause(parent) || (isBinaryExpression(parent) && /^[!=]==$/.test(parent.operatorToken.getText()));
  if (node.text === "" || isPart || isCompared || isSentence(node.text) || SQL.test(node.text)) return [];
  if (isElementAccessExpression(parent)) return [];
  return [{ start: node.getStart(), end: node.end, replacement: '""' }];
};

/** A name made of parts, without one of them: two things of the same name. */
const partDropped: Operator = (node) => {
  if (!isTemplateExpression(node) || SQL.test(node.getText())) return [];
  const said = [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join("\0");
  if (isSentence(said)) return [];
  return node.templateSpans.map(({ expression }) => ({
    start: expression.getStart(),
    end: expression.end,
    replacement: '""',
  }));
};

/** Where a condition of SQL ends, and a value that is set. */
const ENDS_CONDITION = /\s+(AND|OR|ORDER BY|GROUP BY|LIMIT|RETURNING|UNION|ON CONFLICT|END|THEN)\b/g;
const ENDS_VALUE = /,|\s+(WHERE|RETURNING|FROM)\b/g;

/** A condition of a statement that is met anyway, a column that stays as it is, a bound that moved by one. */
const sqlChanged: Operator = (node) => {
  const isWhole = isStringLiteral(node) || isNoSubstitutionTemplateLiteral(node) || isTemplateExpression(node);
  const text = isWhole ? node.getText() : "";
  if (!SQL.test(text)) return [];
  const start = node.getStart();
  return [...conditionsMet(text), ...valuesKept(text), ...boundsMoved(text)].map((edit) => ({
    start: start + edit.start,
    end: start + edit.end,
    replacement: edit.replacement,
  }));
};

function conditionsMet(sql: string): readonly Edit[] {
  return [...sql.matchAll(/\b(?:WHERE|AND|OR)\s+/g)].flatMap((found) => {
    const start = found.index + found[0].length;
    const end = endOf(sql, start, ENDS_CONDITION);
    const condition = sql.slice(start, end);
    // The upper bound of BETWEEN is no condition, and neither is the rest of a subselect.
    const isBound = /\bBETWEEN\s+\S+\s+$/i.test(sql.slice(0, found.index));
    if (isBound || condition === "" || /\b(SELECT|BETWEEN)\b/.test(condition)) return [];
    return [{ start, end, replacement: `(${condition} OR 1)` }];
  });
}

function valuesKept(sql: string): readonly Edit[] {
  const set = /\bSET\s+/.exec(sql);
  if (set === null) return [];
  const edits: Edit[] = [];
  for (let at = set.index + set[0].length; ; ) {
    const assigned = /^\s*(\w+)\s*=\s*/.exec(sql.slice(at));
    if (assigned === null) return edits;
    const start = at + assigned[0].length;
    const end = endOf(sql, start, ENDS_VALUE);
    edits.push({ start, end, replacement: `iif(1, ${assigned[1]}, ${sql.slice(start, end)})` });
    if (sql[end] !== ",") return edits;
    at = end + 1;
  }
}

function boundsMoved(sql: string): readonly Edit[] {
  const other: Readonly<Record<string, string>> = { "<=": "<", "<": "<=", ">=": ">", ">": ">=" };
  return [...sql.matchAll(/ (<=|>=|<|>) /g)].map((found) => ({
    start: found.index + 1,
    end: found.index + 1 + (found[1] ?? "").length,
    replacement: other[found[1] ?? ""] ?? "",
  }));
}

/** The first of these ends outside parentheses; else the parenthesis that closes around it, or the end of the text. */
function endOf(sql: string, start: number, ends: RegExp): number {
  let depth = 0;
  const last = sql.length - 1;
  for (let at = start; at < last; at++) {
    if (sql[at] === "(") depth++;
    if (sql[at] === ")" && depth-- === 0) return at;
    if (depth > 0) continue;
    const sticky = new RegExp(ends.source, "y");
    sticky.lastIndex = at;
    if (sticky.test(sql)) return at;
  }
  return last;
}

export const TEXT_OPERATORS: Readonly<Record<string, Operator>> = {
  "text emptied": textEmptied,
  "part dropped": partDropped,
  "sql changed": sqlChanged,
};
