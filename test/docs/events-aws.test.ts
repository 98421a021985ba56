import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { blocks, ROOT } from "./pages.ts";

interface Inlets {
  inletsFor(settings: object): { readonly Resources?: Readonly<Record<string, { readonly Type: string }>> };
}

const { inletsFor } = createRequire(import.meta.url)("../../infra/events/inlets.cjs") as Inlets;
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

describe("what may call vault-audit", () => {
  it("is what docs/events-aws.md has as an example, with settings that there are", () => {
    const path = "docs/events-aws.md";
    const [example = assert.fail(path)] = blocks({ path, text: read(path) }, "yml");
    const settings = parse(example) as Record<string, unknown>;
    const known = parse(read("infra/settings.yml")) as object;
    for (const name of Object.keys(settings)) assert.ok(name in known, name);
    const types = Object.values(inletsFor(settings).Resources ?? {}).map(({ Type }) => Type);
    for (const type of ["AWS::Logs::SubscriptionFilter", "AWS::Events::Rule", "AWS::Lambda::Url"]) {
      assert.ok(types.includes(type), type);
    }
  });
});
