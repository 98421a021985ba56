import {
  isArrayLiteralExpression,
  isAwaitExpression,
  isBinaryExpression,
  isBlock,
  isBreakStatement,
  isCallExpression,
  isCaseClause,
  isConditionalExpression,
  isContinueStatement,
  isExpressionStatement,
  isIdentifier,
  isIfStatement,
  isNewExpression,
  isNumericLiteral,
  isObjectLiteralExpression,
  isPostfixUnaryExpression,
  isPrefixUnaryExpression,
  isPropertyAccessExpression,
  isReturnStatement,
  isThrowStatement,
  isVoidExpression,
  isWhileStatement,
  type Node,
  SyntaxKind,
} from "typescript/unstable/ast";
import type { Edit } from "./mutated-text.ts";
import { isSayingCall } from "./no-behaviour.ts";

/** What operators know beside the node. */
export interface Surroundings {
  readonly text: string;
  /** Functions that take any number of arguments, by name: one of these arguments can be left out. */
  readonly variadic: ReadonlySet<string>;
}

export type Operator = (node: Node, around: Surroundings) => readonly Edit[];

const instead = (node: Node, replacement: string): Edit => ({ start: node.getStart(), end: node.end, replacement });

/** A condition that is always met, or never. Its negation would be noticed by whatever test notices one of these. */
const conditionFixed: Operator = (node) => {
  if (isIfStatement(node)) return [instead(node.expression, "true"), instead(node.expression, "false")];
  if (isConditionalExpression(node)) return [instead(node.condition, "true"), instead(node.condition, "false")];
  return isWhileStatement(node) ? [instead(node.expression, "false")] : [];
};

/** Only one side of `a && b`, `a || b`, `a ?? b`. `||` in place of `&&` would be noticed by the same tests. */
const sideDropped: Operator = (node) => {
  if (!isBinaryExpression(node)) return [];
  const { left, right, operatorToken } = node;
  const isJoined = [
    SyntaxKind.AmpersandAmpersandToken,
    SyntaxKind.BarBarToken,
    SyntaxKind.QuestionQuestionToken,
  ].includes(operatorToken.kind);
  return isJoined ? [instead(node, left.getText()), instead(node, right.getText())] : [];
};

const SWAPPED: Readonly<Record<string, readonly string[]>> = {
  "===": ["!=="],
  "!==": ["==="],
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "+=": ["-="],
  "-=": ["+="],
  "??=": ["="],
  "&": ["|"],
  "|": ["&"],
  ">>>": ["<<"],
};

const operatorSwapped: Operator = (node) => {
  if (!isBinaryExpression(node)) return [];
  const { operatorToken, left, right } = node;
  if (operatorToken.getText() === "+" && [left, right].some(isText)) return [];
  return (SWAPPED[operatorToken.getText()] ?? []).map((other) => instead(operatorToken, other));
};

function isText(node: Node): boolean {
  return [SyntaxKind.StringLiteral, SyntaxKind.TemplateExpression, SyntaxKind.NoSubstitutionTemplateLiteral].includes(
    node.kind,
  );
}

const negationDropped: Operator = (node) =>
  isPrefixUnaryExpression(node) && node.operator === SyntaxKind.ExclamationToken
    ? [instead(node, node.operand.getText())]
    : [];

const countedBackwards: Operator = (node) => {
  if (!isPrefixUnaryExpression(node) && !isPostfixUnaryExpression(node)) return [];
  const text = node.getText();
  if (text.includes("++")) return [instead(node, text.replace("++", "--"))];
  return text.includes("--") ? [instead(node, text.replace("--", "++"))] : [];
};

/** `a?.b` as `a.b`. */
const optionalRequired: Operator = (node, { text }) => {
  if (!isPropertyAccessExpression(node) || node.questionDotToken === undefined) return [];
  const token = node.questionDotToken;
  return [{ start: text.indexOf("?.", token.pos), end: token.end, replacement: "." }];
};

/** A statement that does something, left out: calls, awaited or not, assignments, throws, early ends. */
const statementRemoved: Operator = (node) => {
  if (isExpressionStatement(node)) return isSayingCall(bare(node.expression)) ? [] : [instead(node, ";")];
  const isEnd = isReturnStatement(node) && node.expression === undefined;
  if (!isEnd && !isThrowStatement(node) && !isBreakStatement(node) && !isContinueStatement(node)) return [];
  // That its condition is never met comes to the same.
  return isAllOfAnIf(node) ? [] : [instead(node, ";")];
};

/** Without `await` and `void` before it. */
function bare(node: Node): Node {
  return isAwaitExpression(node) || isVoidExpression(node) ? bare(node.expression) : node;
}

function isAllOfAnIf(node: Node): boolean {
  const { parent } = node;
  const block = isBlock(parent) && parent.statements.length === 1 ? parent : node;
  return isIfStatement(block.parent) && block.parent.elseStatement === undefined;
}

const caseRemoved: Operator = (node) =>
  isCaseClause(node) ? [{ start: node.getStart(), end: node.end, replacement: "" }] : [];

const memberRemoved: Operator = (node, { text }) =>
  isObjectLiteralExpression(node) ? withoutEach(node.properties, text) : [];

const entryRemoved: Operator = (node, { text }) =>
  isArrayLiteralExpression(node) ? withoutEach(node.elements, text) : [];

/** One of the parts that a fingerprint is made of, one of the conditions of a write. */
const argumentRemoved: Operator = (node, { text, variadic }) => {
  if (!isCallExpression(node) && !isNewExpression(node)) return [];
  const name = isPropertyAccessExpression(node.expression) ? node.expression.name : node.expression;
  const given = node.arguments ?? [];
  return given.length > 1 && variadic.has(name.getText()) ? withoutEach(given, text) : [];
};

/** The list without each of its items in turn, and without the comma that came with it. */
function withoutEach(items: readonly Node[], text: string): readonly Edit[] {
  return items.map((item) => {
    const comma = /^\s*,/.exec(text.slice(item.end));
    return { start: item.getStart(), end: item.end + (comma?.[0].length ?? 0), replacement: "" };
  });
}

const literalChanged: Operator = (node) => {
  if (node.kind === SyntaxKind.TrueKeyword) return [instead(node, "false")];
  if (node.kind === SyntaxKind.FalseKeyword) return [instead(node, "true")];
  if (!isNumericLiteral(node)) return [];
  return [instead(node, node.text === "1" ? "0" : String(Number(node.text) + 1))];
};

const OTHER_METHOD: Readonly<Record<string, string>> = {
  every: "some",
  some: "every",
  min: "max",
  max: "min",
  startsWith: "endsWith",
  endsWith: "startsWith",
  all: "race",
  allSettled: "all",
};
const DROPPED = new Set([
  "filter",
  "sort",
  "toSorted",
  "reverse",
  "slice",
  "trim",
  "toLowerCase",
  "toUpperCase",
  "catch",
  "finally",
]);

const methodChanged: Operator = (node) => {
  if (!isCallExpression(node) || !isPropertyAccessExpression(node.expression)) return [];
  const { expression, name } = node.expression;
  const method = name.getText();
  if (DROPPED.has(method)) return [instead(node, expression.getText())];
  const other = Object.hasOwn(OTHER_METHOD, method) ? OTHER_METHOD[method] : undefined;
  if (other === undefined) return [];
  const isOurs =
    (method === "all" || method === "allSettled") && !(isIdentifier(expression) && expression.text === "Promise");
  return isOurs ? [] : [instead(name, other)];
};

export const OPERATORS: Readonly<Record<string, Operator>> = {
  "condition fixed": conditionFixed,
  "side dropped": sideDropped,
  "operator swapped": operatorSwapped,
  "negation dropped": negationDropped,
  "counted backwards": countedBackwards,
  "optional required": optionalRequired,
  "statement removed": statementRemoved,
  "case removed": caseRemoved,
  "member removed": memberRemoved,
  "entry removed": entryRemoved,
  "argument removed": argumentRemoved,
  "literal changed": literalChanged,
  "method changed": methodChanged,
};
