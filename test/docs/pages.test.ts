import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { DISPOSITIONS } from "../../lib/errors.ts";
import { TABLE_VERSION } from "../../lib/store/dynamodb/table.ts";
import { issuesHeld } from "../../lib/telemetry/issues-held.ts";
import { prometheusMetrics } from "../../lib/telemetry/metrics.ts";
import { rolloutsOwed } from "../../lib/telemetry/rollouts-owed.ts";
import { syncSeries } from "../../lib/telemetry/sync-series.ts";
import manifest from "../../package.json" with { type: "json" };
import { commands, pages, ROOT } from "./pages.ts";

const all = pages();
/** Its text with single spaces, so that a table may be laid out in any way. */
const page = (path: string): string =>
  (all.find((candidate) => candidate.path === path)?.text ?? "").replaceAll(/ +/g, " ");

const ALL_COMMANDS = [
  "init",
  "bootstrap",
  "doctor",
  "handover",
  "schema",
  "completion",
  "run",
  "plan",
  "status",
  "sync",
  "explain",
  "fleet push",
  "fleet show",
  "injector key",
  "injector manifests",
  "injector check",
  "injector render",
  "injector package",
  "audit relay",
];

const helps = new Map<string, Promise<string>>();

function helpOf(command: string): Promise<string> {
  const known = helps.get(command);
  if (known !== undefined) return known;
  const run = promisify(execFile)(process.execPath, [join(ROOT, "cli/main.ts"), ...command.split(" "), "--help"]);
  const help = run.then(({ stdout }) => stdout);
  helps.set(command, help);
  return help;
}

/** Commands that have commands of their own. */
const GROUPS: ReadonlySet<string> = new Set(["audit", "fleet", "injector"]);

/** What the help of a group, or of keyferry itself, lists. */
const listedIn = (help: string): readonly string[] =>
  [...help.replace(/^.*\nCommands:/s, "").matchAll(/^ {2}(?!help\b)([a-z]+)/gm)].map(([, name = ""]) => name);

/** The command of keyferry in a line that people type; undefined when it is another program's. */
function ofKeyferry(command: string): readonly string[] | undefined {
  const [first = ""] = command.split(" | ");
  const words = first.split(/\s+/).filter((word) => word !== "");
  if (words[0] === "keyferry") return words.slice(1);
  return words[0] === "node" && words[1] === "bin/keyferry.js" ? words.slice(2) : undefined;
}

describe("documentation", () => {
  it("links to what is there", () => {
    for (const { path, text } of all) {
      for (const [, target = ""] of text.matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)) {
        assert.ok(existsSync(join(ROOT, dirname(path), target)), `${path} links to ${target}`);
      }
    }
  });

  it("names scripts that package.json has", () => {
    for (const [path, command] of all.flatMap(({ path, text }) =>
      scriptsIn(text).map((name) => [path, name] as const),
    )) {
      assert.ok(command in manifest.scripts, `${path}: npm run ${command}`);
    }
  });

  it("names files that are there in its commands", () => {
    for (const { path, command } of all.flatMap((one) =>
      commands(one).map((typed) => ({ path: one.path, command: typed })),
    )) {
      for (const [file] of command.matchAll(/\b(?:infra|bin|test|demo)\/[\w./-]+/g)) {
        assert.ok(existsSync(join(ROOT, file)), `${path}: ${file}`);
      }
    }
  });

  it("types keyferry's commands as --help has them", async () => {
    const typed = all
      .flatMap(commands)
      .map(ofKeyferry)
      .filter((words) => words !== undefined);
    assert.ok(typed.length > 4);
    for (const words of typed) {
      const [first = ""] = words;
      const command = words.slice(0, GROUPS.has(first) ? 2 : 1).join(" ");
      const help = await helpOf(command);
      for (const flag of words.filter((word) => word.startsWith("-"))) {
        assert.ok(help.includes(flag), `keyferry ${command} has no ${flag}`);
      }
    }
  });

  it("is compared with every command", async () => {
    const inGroups = [...GROUPS].map(async (group) =>
      listedIn(await helpOf(`help ${group}`)).map((name) => `${group} ${name}`),
    );
    const alone = listedIn(await helpOf("help")).filter((name) => !GROUPS.has(name));
    assert.deepEqual(ALL_COMMANDS.toSorted(), [...alone, ...(await Promise.all(inGroups)).flat()].toSorted());
  });

  it("names every option and variable of the commands", async () => {
    const text = page("docs/commands.md");
    for (const help of await Promise.all(ALL_COMMANDS.map(helpOf))) {
      for (const [option] of help.matchAll(/--(?!help)[a-z-]+(?=[ ,])/g)) {
        assert.ok(text.includes(option), `${option} is not described`);
      }
      for (const [variable] of help.matchAll(/KEYFERRY_[A-Z_]+/g)) assert.ok(text.includes(variable), variable);
    }
  });

  it("tells the way back from the current layout of the lease table", () => {
    assert.ok(page("docs/aws.md").includes(`\n| ${TABLE_VERSION} | `));
  });

  it("tells each error code with what happens next, and no other", () => {
    const rows = [...page("docs/errors.md").matchAll(/^\| `([A-Z_]+)` \| (\w+) \|/gm)];
    const told = Object.fromEntries(rows.map(([, code = "", next]) => [code, next]));
    assert.deepEqual(told, { ...DISPOSITIONS });
  });

  it("names each metric, and no other", async () => {
    const { registry } = prometheusMetrics();
    syncSeries(registry, { limit: 1, clock: () => 0 });
    rolloutsOwed(registry);
    issuesHeld(registry);
    const names = (await registry.getMetricsAsJSON()).map(({ name }) => name);
    const sources = ["cli/run-metrics.ts", "cli/sight-metrics.ts", "cli/run-inlets.ts", "cli/runtime-info.ts"].map(
      (path) => readFileSync(join(ROOT, path), "utf8"),
    );
    const exposed = sources.flatMap((text) => [...text.matchAll(/"((?:keyferry|vault_sync_operator)_\w+)"/g)]);
    const onAws = globSync(["lib/aws/*.ts", "functions/**/*.ts"], { cwd: ROOT }).flatMap((path) => [
      ...readFileSync(join(ROOT, path), "utf8").matchAll(/(?:count|observe)\("(keyferry_\w+)"/g),
    ]);
    const told = [
      ...page("docs/metrics.md").matchAll(/^\| `((?:keyferry|vso|controller|vault_agent|vault_sync_operator)_\w+)`/gm),
    ].map(([, name]) => name);
    assert.deepEqual(told.toSorted(), [...names, ...exposed.map(([, name]) => name)].toSorted());
    const untold = onAws.map(([, name]) => name).filter((name) => !page("docs/metrics.md").includes(`\`${name}\``));
    assert.deepEqual(untold, []);
  });

  it("names each state of keyferry status", () => {
    const source = readFileSync(join(ROOT, "cli/status-view.ts"), "utf8");
    const states = [...(/readonly state:([^;]*);/.exec(source)?.[1] ?? "").matchAll(/"([a-z-]+)"/g)];
    assert.ok(states.length > 5);
    for (const [, state] of states) assert.ok(page("docs/commands.md").includes(`| \`${state}\` |`), state);
  });

  it("has an index that links to every other page of docs/", () => {
    const index = all.find(({ path }) => path === "docs/README.md")?.text ?? "";
    const linked = [...index.matchAll(/\]\(([^)#]+)\)/g)].map(([, target = ""]) => join("docs", target));
    const inDocs = all.map(({ path }) => path).filter((path) => path.startsWith("docs/") && path !== "docs/README.md");
    assert.deepEqual(linked.filter((path) => path.startsWith("docs/")).toSorted(), inDocs.toSorted());
  });

  it("links to headings that there are", () => {
    for (const { path, text } of all) {
      for (const [, file = "", heading] of text.matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)) {
        const target = file === "" ? path : join(dirname(path), file);
        const known = (all.find((candidate) => candidate.path === target)?.text ?? "").matchAll(/^#+ (.+)$/gm);
        const anchors = [...known].map(([, title = ""]) => anchorOf(title));
        assert.ok(anchors.includes(heading ?? ""), `${path} links to ${target}#${heading}`);
      }
    }
  });

  it("wraps its lines at 120 characters, tables and examples excepted", () => {
    for (const { path, text } of all) {
      const prose = text.replaceAll(/^```.*?^```$/gms, "").replaceAll(/^<!-- (\w+) -->.*?^<!-- \/\1 -->$/gms, "");
      const long = prose.split("\n").filter((line) => line.length > 120 && !line.startsWith("|"));
      assert.deepEqual(long, [], path);
    }
  });

  it("dates each decision, in its name and in its title", () => {
    const decisions = all.filter(({ path }) => path.startsWith("docs/decisions/"));
    assert.ok(decisions.length > 5);
    for (const { path, text } of decisions) {
      const [, date] = /^docs\/decisions\/(\d{4}-\d{2}-\d{2})-[a-z-]+\.md$/.exec(path) ?? assert.fail(path);
      assert.ok(text.startsWith(`# ${date}: `), path);
    }
  });

  it("has its licence in full", () => {
    const text = readFileSync(join(ROOT, "LICENSE"), "utf8");
    assert.match(text, /Apache License\s+Version 2\.0/);
    assert.match(text, /END OF TERMS AND CONDITIONS/);
  });
});

function scriptsIn(text: string): readonly string[] {
  const named = [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name = ""]) => name);
  return text.includes("npm test") ? [...named, "test"] : named;
}

/** The anchor that GitHub gives to a heading. */
function anchorOf(title: string): string {
  const letters = title.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "");
  return letters.replaceAll(" ", "-");
}
