import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { ROOT } from "./pages.ts";

/** Where the rules of a name stand. */
const PAGES = { "lease-table": "docs/rules/lease-table.md", "kubernetes-rules": "docs/rules/kubernetes.md" } as const;
const FOLDERS = ["lib", "cli", "functions", "test", "infra", "bench", "demo", "bin", "docs"];
const TEXTS = /\.(?:ts|js|go|md|ya?ml|hcl|json)$/;

interface Text {
  readonly path: string;
  readonly text: string;
}

/** Everything that may cite a rule. Lines are joined, so that a citation may run over the end of one. */
function texts(): readonly Text[] {
  const inFolders = FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((name) => `${folder}/${name}`),
  );
  const paths = [...readdirSync(ROOT), ...inFolders].filter(
    (path) => TEXTS.test(path) && !path.includes("node_modules"),
  );
  return paths.map((path) => {
    const text = readFileSync(join(ROOT, path), "utf8");
    return { path, text: text.replaceAll(/\s*\n\s*(?:\*|\/\/|#)?\s*/g, " ") };
  });
}

/** The rules that a text cites, `lease-table 3, 4` and `kubernetes-rules 1 to 9` one by one. */
function citedIn(text: string): readonly string[] {
  const citations = text.matchAll(/\b(lease-table|kubernetes-rules) (\d+(?:(?:, | and | to )\d+)*)/g);
  return [...citations].flatMap(([, name, list = ""]) => numbersIn(list).map((number) => `${name} ${number}`));
}

function numbersIn(list: string): readonly number[] {
  return list.split(/, | and /).flatMap((part) => {
    const [from = 0, to = from] = part.split(" to ").map(Number);
    return Array.from({ length: to - from + 1 }, (_, at) => from + at);
  });
}

interface Rule {
  readonly id: string;
  readonly page: string;
  readonly text: string;
}

const rules: readonly Rule[] = Object.entries(PAGES).flatMap(([name, page]) => {
  const [, ...sections] = readFileSync(join(ROOT, page), "utf8").split(/^## /m);
  return sections.map((text) => ({ id: `${name} ${/^\d+/.exec(text)?.[0]}`, page, text }));
});

const all = texts();

/** The rules that the titles of a test file carry. */
function titledIn({ text }: Text): readonly string[] {
  const titles = text.matchAll(/\b(?:it|describe)\(\s*(["'`])(?<title>.*?)\1/g);
  return [...titles].flatMap(({ groups }) => citedIn(groups?.title ?? ""));
}

const tests = new Map(all.filter(({ path }) => path.startsWith("test/")).map((text) => [text.path, titledIn(text)]));

function linksOf({ page, text }: Rule): readonly string[] {
  const targets = [...text.matchAll(/\]\(([^)#]+)\)/g)].map(([, target = ""]) => join(dirname(page), target));
  return targets.filter((path) => path.startsWith("test/"));
}

describe("docs/rules", () => {
  it("are numbered from 1, without a gap, each with its reason", () => {
    for (const [name, page] of Object.entries(PAGES)) {
      const own = rules.filter((rule) => rule.page === page);
      assert.ok(own.length >= 25);
      assert.deepEqual(
        own.map(({ id }) => id),
        own.map((_, at) => `${name} ${at + 1}`),
      );
    }
    for (const { id, text } of rules) assert.match(text, /^\*Why:\* \S/m, id);
  });

  it("have every rule that is cited", () => {
    const known = new Set(rules.map(({ id }) => id));
    const cited = all.flatMap(({ path, text }) => citedIn(text).map((id) => ({ path, id })));
    assert.ok(cited.length > 300, `${cited.length}`);
    const unknown = cited.filter(({ id }) => !known.has(id)).map(({ path, id }) => `${path}: ${id}`);
    assert.deepEqual(unknown, []);
  });

  it("are each shown by a test that carries its number", () => {
    const shown = new Set([...tests.values()].flat());
    const unshown = rules.filter(({ id }) => !shown.has(id)).map(({ id }) => id);
    assert.deepEqual(unshown, []);
  });

  it("link to tests that are there, and that carry the rule's number", () => {
    for (const rule of rules) {
      const links = linksOf(rule);
      assert.ok(links.length > 0, `${rule.id} links to no test`);
      for (const path of links) {
        assert.ok(existsSync(join(ROOT, path)), `${rule.id} links to ${path}`);
        assert.ok(tests.get(path)?.includes(rule.id), `${path} has no test of ${rule.id}`);
      }
    }
  });
});

describe("what stands in the repository", () => {
  it("cites no document that does not", () => {
    const absent =
      /\b(?:reference|design|style|store-contract) \d[\d.]*|\b(?:design|style|store-contract)\.md\b|\bissue \d+:/gi;
    const cited = all.flatMap(({ path, text }) => [...text.matchAll(absent)].map(([found]) => `${path}: ${found}`));
    assert.deepEqual(cited, []);
  });
});
