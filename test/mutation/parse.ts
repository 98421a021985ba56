import type { Node, SourceFile } from "typescript/unstable/ast";
import { createVirtualFileSystem } from "typescript/unstable/fs";
import { API } from "typescript/unstable/sync";

export interface Parsed {
  readonly file: string;
  readonly text: string;
  readonly tree: SourceFile;
}

const ROOT = "/mutated";
/** Syntax is all that is asked for: no types, no library, nothing of what is imported. */
const OPTIONS = { noLib: true, types: [], noResolve: true, noCheck: true, noEmit: true, module: "nodenext" };

/** Hands the syntax trees of these sources to `use`; they end with the compiler that made them. */
export function withParsed<T>(sources: ReadonlyMap<string, string>, use: (parsed: readonly Parsed[]) => T): T {
  const inFolder = [...sources].map(([file, text]) => [`${ROOT}/${file}`, text]);
  const project = `${ROOT}/tsconfig.json`;
  const fs = createVirtualFileSystem({
    ...Object.fromEntries(inFolder),
    [project]: JSON.stringify({ compilerOptions: OPTIONS, files: [...sources.keys()] }),
  });
  const compiler = new API({ cwd: ROOT, fs });
  try {
    const { program } = compiler.updateSnapshot({ openProjects: [project] }).getProjects()[0] ?? {};
    return use(
      [...sources].map(([file, text]): Parsed => {
        const tree = program?.getSourceFile(`${ROOT}/${file}`);
        if (tree === undefined) throw new Error(`the compiler has not parsed ${file}`);
        return { file, text, tree };
      }),
    );
  } finally {
    compiler.close();
  }
}

export function childrenOf(node: Node): readonly Node[] {
  const children: Node[] = [];
  node.forEachChild((child) => void children.push(child));
  return children;
}
