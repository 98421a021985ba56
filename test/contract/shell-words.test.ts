import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { shellWord } from "../../lib/util/shell.ts";

describe("what is printed for a shell", () => {
  it("a word is one word of a shell, whatever is in it", () => {
    for (const text of ["plain", "with space", "it's", "$(touch /tmp/x)", "`id`", "a;b", "a\nb", '"', "\\", "*", ""]) {
      const shown = execFileSync("sh", ["-c", `printf %s ${shellWord(text)}`], { encoding: "utf8" });
      assert.equal(shown, text);
    }
  });
});
