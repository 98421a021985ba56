import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "../..");

export interface Page {
  /** Below the project's root. */
  readonly path: string;
  readonly text: string;
}

/** Every page that people read: those at the root and those below docs/. */
export function pages(): readonly Page[] {
  const inDocs = readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" }).map((name) => `docs/${name}`);
  const paths = [...readdirSync(ROOT), ...inDocs].filter((path) => path.endsWith(".md")).sort();
  return paths.map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
}

/** The fenced blocks of a page in this language. */
export function blocks({ text }: Page, language: string): readonly string[] {
  const fenced = text.matchAll(/^```(?<language>\w*)\n(?<body>.*?)^```$/gms);
  return [...fenced].filter(({ groups }) => groups?.language === language).map(({ groups }) => groups?.body ?? "");
}

/** The commands of a page's consoles, without prompt and comment. */
export function commands(page: Page): readonly string[] {
  const lines = blocks(page, "console").flatMap((block) => block.split("\n"));
  const typed = lines.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2).replace(/\s+#.*$/, ""));
  return typed.flatMap((line) => line.split("&&").map((command) => command.trim()));
}
