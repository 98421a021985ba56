import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { generatedFiles } from "../../../infra/generated-files.ts";

const ROOT = new URL("../../../", import.meta.url);

describe("generated files", () => {
  it("are those that the schemas make: else run npm run generate", async () => {
    for (const [path, content] of generatedFiles()) {
      assert.equal(await readFile(new URL(path, ROOT), "utf8"), content, `${path} differs`);
    }
  });

  it("leave no CRD behind that no schema makes", async () => {
    const made = [...generatedFiles().keys()].filter((path) => path.startsWith("infra/kubernetes/crds/"));
    const found = (await readdir(new URL("infra/kubernetes/crds/", ROOT))).map(
      (name) => `infra/kubernetes/crds/${name}`,
    );
    assert.deepEqual(found.toSorted(), made.toSorted());
  });
});
