import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type LineCounter, type Node, type Pair } from "yaml";

/** Finds lines in a YAML text, for complaints. */

function resolved(document: Document, node: unknown): unknown {
  return isAlias(node) ? node.resolve(document) : node;
}

function pairOf(map: { readonly items: readonly Pair[] }, part: PropertyKey): Pair | undefined {
  return map.items.find(({ key }) => (isScalar(key) ? String(key.value) : String(key)) === String(part));
}

function start(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined;
}

/** The line of the key or list item at this path, or of its nearest existing parent. */
export function lineAt(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents;
  let offset = start(node) ?? 0;
  for (const part of path) {
    const parent = resolved(document, node);
    if (isMap(parent)) {
      const pair = pairOf(parent, part);
      if (pair === undefined) break;
      offset = start(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(parent)) {
      node = parent.items[Number(part)];
      offset = start(node) ?? offset;
    } else break;
  }
  return lines.linePos(offset).line;
}
