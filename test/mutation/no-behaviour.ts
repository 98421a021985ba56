import {
  isBinaryExpression,
  isBlock,
  isCallExpression,
  isEnumDeclaration,
  isExportDeclaration,
  isExpressionStatement,
  isIdentifier,
  isIfStatement,
  isImportDeclaration,
  isInterfaceDeclaration,
  isNewExpression,
  isNumericLiteral,
  isParenthesizedExpression,
  isPropertyAccessExpression,
  isStringLiteral,
  isTypeAliasDeclaration,
  isTypeNode,
  isVariableDeclaration,
  isVariableDeclarationList,
  isVariableStatement,
  type Node,
} from "typescript/unstable/ast";

/** Two words in a row: a sentence, for people. Keys, codes and paths have none. */
const SENTENCE = /[A-Za-z]{2,} [a-z]{2,}/;

/** Calls that only say something: to the log, to metrics, to readers of a schema. */
const SAYING = /(^|\.)(log|logger|metrics)\??\.[A-Za-z]+$|\bconnection\.count$|\.(describe|meta)$/;

export function isSentence(text: string): boolean {
  return SENTENCE.test(text);
}

/** Types, imports, and what is only said: nothing in here is mutated. */
export function isNoBehaviour(node: Node, parent: Node | undefined): boolean {
  return (
    isImportDeclaration(node) ||
    isExportDeclaration(node) ||
    isInterfaceDeclaration(node) ||
    isTypeAliasDeclaration(node) ||
    isEnumDeclaration(node) ||
    isTypeNode(node) ||
    isSayingCall(node) ||
    isSayingIf(node) ||
    isTuning(node) ||
    isMessageOf(node, parent) ||
    isNameOfRequest(node, parent)
  );
}

export function isSayingCall(node: Node): boolean {
  return isCallExpression(node) && SAYING.test(node.expression.getText());
}

/** `if (isNew) log.warn(…)`. */
function isSayingIf(node: Node): boolean {
  if (!isIfStatement(node) || node.elseStatement !== undefined) return false;
  const { thenStatement } = node;
  const statements = isBlock(thenStatement) ? thenStatement.statements : [thenStatement];
  return statements.every((statement) => isExpressionStatement(statement) && isSayingCall(statement.expression));
}

/** The text of an error: of ours behind its code, of others before all else. What else an error carries is behaviour. */
function isMessageOf(node: Node, parent: Node | undefined): boolean {
  if (parent === undefined || !isNewExpression(parent)) return false;
  const name = parent.expression.getText();
  if (!name.endsWith("Error")) return false;
  return parent.arguments?.[name === "SyncError" ? 1 : 0] === node;
}

/** `connection.read("token", …)`: what metrics and errors call it. */
function isNameOfRequest(node: Node, parent: Node | undefined): boolean {
  if (parent === undefined || !isCallExpression(parent) || parent.arguments[0] !== node) return false;
  return /\bconnection\.(read|change)$/.test(parent.expression.getText()) && isStringLiteral(node);
}

/** `const CA_MAX_AGE_MS = 5 * MINUTE_MS`: how much is a choice, and a test that said it again would prove nothing. */
function isTuning(node: Node): boolean {
  if (!isVariableDeclaration(node) || !isVariableDeclarationList(node.parent)) return false;
  const isOfModule = isVariableStatement(node.parent.parent) && node.parent.parent.parent === node.getSourceFile();
  return isOfModule && node.initializer !== undefined && isQuantity(node.initializer);
}

function isQuantity(node: Node): boolean {
  if (isNumericLiteral(node)) return true;
  if (isIdentifier(node)) return /^[A-Z][A-Z0-9_]*$/.test(node.text);
  if (isParenthesizedExpression(node)) return isQuantity(node.expression);
  if (isPropertyAccessExpression(node)) return isQuantity(node.expression);
  return isBinaryExpression(node) && isQuantity(node.left) && isQuantity(node.right);
}
