import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { FINDINGS } from "../../lib/doctor/finding.ts";
import { ROOT } from "./pages.ts";

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

describe("docs/doctor.md", () => {
  it("has each finding with its severity and reason, and no other", () => {
    const text = read("docs/doctor.md").replaceAll(/ +/g, " ");
    const rows = [...text.matchAll(/^\| `([A-Z_]+)` \| (\w+) \| (.+?) \| .*\|$/gm)];
    const told = Object.fromEntries(rows.map(([, code = "", severity, why]) => [code, { severity, why }]));
    assert.deepEqual(told, { ...FINDINGS });
  });

  it("has the actions that --stack needs, and the operator's policy allows each of them", () => {
    const [text = ""] = /It needs `cloudformation:[\s\S]+?what `plan --stack` needs/.exec(read("docs/doctor.md")) ?? [];
    const named = [...text.matchAll(/`(\w+:\w+)`/g)].map(([, action = ""]) => action);
    assert.ok(named.length >= 10, text);
    const { Statement } = JSON.parse(read("infra/operator-policy.json")) as {
      Statement: readonly { readonly Action: string | readonly string[] }[];
    };
    const allowed = new Set(Statement.flatMap(({ Action }) => Action));
    assert.deepEqual(
      named.filter((action) => !allowed.has(action)),
      [],
    );
  });

  it("each finding is made somewhere", () => {
    const sources = globSync("{lib/doctor,cli}/**/*.ts", { cwd: ROOT }).filter((path) => !path.endsWith("/finding.ts"));
    const text = sources.map(read).join("\n");
    assert.deepEqual(
      Object.keys(FINDINGS).filter((code) => !text.includes(`"${code}"`)),
      [],
    );
  });
});
