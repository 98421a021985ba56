import {
  isArrowFunction,
  isFunctionDeclaration,
  isIdentifier,
  isMethodDeclaration,
  isMethodSignatureDeclaration,
  isVariableDeclaration,
  type Node,
} from "typescript/unstable/ast";
import type { Edit } from "./mutated-text.ts";
import { isNoBehaviour } from "./no-behaviour.ts";
import { OPERATORS, type Surroundings } from "./operators.ts";
import { childrenOf, type Parsed, withParsed } from "./parse.ts";
import { TEXT_OPERATORS } from "./texts.ts";

/** One small fault that is put into one file. */
export interface Mutant extends Edit {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly operator: string;
}

const ALL = Object.entries({ ...OPERATORS, ...TEXT_OPERATORS });
/** Of the language: they take any number of arguments. */
const BUILT_IN = ["max", "min", "concat", "push", "assign", "of"];

/** Every mutant of these sources, by file and place. The same sources have the same mutants in the same order. */
export function mutantsOf(sources: ReadonlyMap<string, string>): readonly Mutant[] {
  return withParsed(sources, (parsed) => {
    const variadic = new Set([...BUILT_IN, ...parsed.flatMap(({ tree }) => variadicIn(tree))]);
    return parsed.flatMap((one) => mutantsIn(one, { text: one.text, variadic }));
  });
}

function mutantsIn({ file, text, tree }: Parsed, around: Surroundings): readonly Mutant[] {
  const found = new Map<string, Mutant>();
  const add = (operator: string, edit: Edit): void => {
    // Two operators may come to the same text.
    const id = `${edit.start} ${edit.end} ${edit.replacement}`;
    if (text.slice(edit.start, edit.end) === edit.replacement || found.has(id)) return;
    found.set(id, { ...edit, file, operator, line: lineOf(text, edit.start) });
  };
  const visit = (node: Node, parent: Node | undefined): void => {
    if (isNoBehaviour(node, parent)) return;
    for (const [operator, editsOf] of ALL) for (const edit of editsOf(node, around)) add(operator, edit);
    for (const child of childrenOf(node)) visit(child, node);
  };
  visit(tree, undefined);
  return [...found.values()].sort((one, other) => one.start - other.start || one.end - other.end);
}

function variadicIn(node: Node): string[] {
  const names = childrenOf(node).flatMap(variadicIn);
  const isFunction = isFunctionDeclaration(node) || isMethodDeclaration(node) || isMethodSignatureDeclaration(node);
  if (isFunction && node.parameters.at(-1)?.dotDotDotToken && node.name) names.push(node.name.getText());
  if (isVariableDeclaration(node) && isIdentifier(node.name) && node.initializer && isArrowFunction(node.initializer)) {
    if (node.initializer.parameters.at(-1)?.dotDotDotToken) names.push(node.name.text);
  }
  return names;
}

function lineOf(text: string, at: number): number {
  return text.slice(0, at).split("\n").length;
}
