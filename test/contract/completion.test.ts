import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { firstFleet } from "../../cli/first-fleet.ts";
import { tempFolder } from "../harness/index.ts";

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

/** What bash would offer after this line, asked as bash itself asks. */
const ASK = `
source <(keyferry completion bash)
read -ra COMP_WORDS <<< "$LINE"
[[ $LINE == *' ' ]] && COMP_WORDS+=("")
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
compopt() { :; }
_keyferry
printf '%s\\n' "\${COMPREPLY[@]}"
complete -p keyferry >&2
`;

describe("keyferry completion, in a real bash", () => {
  const folder = new AsyncDisposableStack();
  let work: string;
  let env: NodeJS.ProcessEnv;

  before(async () => {
    work = folder.use(await tempFolder("completion")).path;
    const bin = join(work, "bin");
    await mkdir(bin);
    const launcher = `#!/bin/sh\nexec '${process.execPath}' --disable-warning=ExperimentalWarning '${MAIN}' "$@"\n`;
    await writeFile(join(bin, "keyferry"), launcher, { mode: 0o755 });
    const text = firstFleet({ cluster: "prod-eu", vaultAddress: "https://vault.example.com", schema: "s.json" });
    await writeFile(join(work, "fleet.yaml"), text);
    await writeFile(join(work, "other.yaml"), text.replaceAll("prod-eu", "edge-7"));
    env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  });
  after(() => folder.disposeAsync());

  async function offered(line: string): Promise<readonly string[]> {
    const { stdout } = await promisify(execFile)("bash", ["-c", ASK], { cwd: work, env: { ...env, LINE: line } });
    return stdout.split("\n").filter((text) => text !== "");
  }

  for (const [line, expected] of [
    ["keyferry boot", ["bootstrap"]],
    ["keyferry s", ["status", "schema", "sync"]],
    ["keyferry bootstrap ", ["prod-eu"]],
    ["keyferry bootstrap --fleet other.yaml ", ["edge-7"]],
    ["keyferry bootstrap prod-eu -o ter", ["terraform"]],
    ["keyferry handover --cluster p", ["prod-eu"]],
    ["keyferry handover --cluster prod-eu --to ", ["vso", "keyferry"]],
    ["keyferry plan --fl", ["--fleet"]],
    ["keyferry explain pro", ["prod-eu/"]],
    ["keyferry completion ", ["bash", "zsh", "fish", "help"]],
    ["keyferry fleet pu", ["push"]],
    ["keyferry fleet push --pr", ["--prune"]],
    ["keyferry bootstrap --fleet missing.yaml ", []],
  ] as const) {
    it(`offers ${expected.join(", ") || "nothing"} after: ${line}`, async () => {
      assert.deepEqual((await offered(line)).toSorted(), expected.toSorted());
    });
  }
});
