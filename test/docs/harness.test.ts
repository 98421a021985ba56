import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { it } from "node:test";

const harness = join(import.meta.dirname, "../harness");

it("the harness's README shows the example that is compiled", async () => {
  const [readme, example] = await Promise.all(
    ["README.md", "example.ts"].map((name) => readFile(join(harness, name), "utf8")),
  );
  assert.ok(readme?.includes(`\`\`\`ts\n${example}\`\`\``));
});
