import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
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
  return { installation: dataDir.installation, digestKey: dataDir.digestKey.id, tightened: dataDir.tightened };
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

const GUARDED = ["tokens.key", "injector-ca.json", "injector-hosts.json", "injector-keys.json"];

/** A data directory in use, with all files that nobody else may read. */
function aUsedFolder(t: TestContext): string {
  const folder = aFolder(t);
  opened(folder);
  for (const file of GUARDED.slice(1)) writeFileSync(join(folder, file), "{}", { mode: 0o600 });
  return folder;
}

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

it("a data directory whose files its group gets at each mount, by fsGroup, starts again, and takes them back", (t) => {
  const folder = aUsedFolder(t);
  const first = opened(folder);
  assert.deepEqual(first.tightened, []);
  const key = readFileSync(join(folder, "tokens.key"), "utf8");
  for (const file of readdirSync(folder)) chmodSync(join(folder, file), 0o660);
  assert.deepEqual(opened(folder), { ...first, tightened: GUARDED });
  for (const file of GUARDED) assert.equal(modeOf(join(folder, file)), "600", file);
  assert.equal(readFileSync(join(folder, "tokens.key"), "utf8"), key);
});

it("a key of tokens that everybody could read, or that is another user's, is left to a person", (t) => {
  const path = join(aUsedFolder(t), "tokens.key");
  const isRefused = (mode: string) => {
    chmodSync(path, Number.parseInt(mode, 8));
    assert.throws(() => opened(dirname(path)), new RegExp(`others than its owner .*\\(mode ${mode}\\): set its mode`));
    assert.equal(modeOf(path), mode);
  };
  isRefused("664");
  const stranger = (process.getuid?.() ?? 0) + 1;
  t.mock.method(process as { getuid: () => number }, "getuid", () => stranger);
  isRefused("660");
});
