import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it, type TestContext } from "node:test";
import { openDataDir } from "../../../cli/data-dir.ts";

function aFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "keyferry-data-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** What each start finds. */
function opened(folder: string) {
  using dataDir = openDataDir(folder);
  return { installation: dataDir.installation, digestKey: dataDir.digestKey.id };
}

it("a data directory whose first start was cut off has no empty id and key, but new ones that stay", (t) => {
  const folder = aFolder(t);
  for (const [file, text] of [
    ["installation", ""],
    ["digest.key", "\n"],
    // Of a start that was cut off before the file had its name.
    ["installation.next", "half"],
  ] as const)
    writeFileSync(join(folder, file), text, { mode: 0o644 });
  const first = opened(folder);
  assert.match(first.installation, /^[0-9a-f-]{36}$/);
  assert.deepEqual(opened(folder), first);
  for (const file of ["installation", "digest.key", "tokens.key"])
    assert.equal(statSync(join(folder, file)).mode & 0o777, 0o600, file);
  assert.deepEqual(
    readdirSync(folder).filter((file) => file.endsWith(".next")),
    [],
  );
});

it("a digest key that is broken is not replaced: the error says what a person can do", (t) => {
  const folder = aFolder(t);
  writeFileSync(join(folder, "digest.key"), "broken");
  assert.throws(() => opened(folder), /digest\.key.*32 bytes in base64: put it back from a copy, or delete it/s);
  assert.equal(readFileSync(join(folder, "digest.key"), "utf8"), "broken");
});
