import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { firstFleet } from "../../cli/first-fleet.ts";
import { tempFolder } from "../harness/index.ts";
import { obtainShell, type Shell } from "../harness/obtain/shells.ts";

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

/** A zsh completes in a terminal of its own, and tells what its completion offers. */
const ZSH_INNER = `
(( $#FUNCTIONS )) && fpath=(\${=FUNCTIONS})
autoload -Uz compinit
compinit -u -D
source <(keyferry completion zsh)
compadd() {
  local -a found
  builtin compadd -O found "$@"
  print -rl -- "OFFER "$^found
  builtin compadd "$@"
}
_files() { :; }
`;
const ZSH = `
(( $#MODULES )) && module_path=(\${=MODULES})
zmodload zsh/zpty
zpty inner "$ZSH -f"
until_() { local part; while zpty -r inner part; do print -rn -- "$part"; [[ $part == *$1* ]] && break; done }
zpty -w inner '(( $#MODULES )) && module_path=(\${=MODULES}); source $INNER; print REA""DY'
until_ READY
# Its line editor reads from then on: what is typed earlier may get lost.
zpty -r inner part '*2004h*'
zpty -w -n inner "$LINE"$'\\t'
zpty -w -n inner $'\\x15'
zpty -w inner 'print DO""NE'
until_ DONE
zpty -d inner
`;

const FISH = `
test -n "$FUNCTIONS"; and set -p fish_function_path (string split ' ' -- $FUNCTIONS)
keyferry completion fish | source
complete -C $LINE
`;

const LINES = [
  ["keyferry boot", ["bootstrap"]],
  ["keyferry s", ["status", "schema", "sync"]],
  ["keyferry bootstrap --fleet other.yaml ", ["edge-7"]],
  ["keyferry handover --cluster prod-eu --to ", ["vso", "keyferry"]],
  ["keyferry explain pro", ["prod-eu/"]],
  ["keyferry fleet push --pr", ["--prune"]],
] as const;

describe("keyferry completion, in a real shell", () => {
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
    it(`bash offers ${expected.join(", ") || "nothing"} after: ${line}`, async () => {
      assert.deepEqual((await offered(line)).toSorted(), expected.toSorted());
    });
  }

  const asked = async (shell: Shell, args: readonly string[], more: Readonly<Record<string, string>>) => {
    const options = { cwd: work, env: { ...env, ...shell.env, HOME: work, TERM: "xterm", ...more }, timeout: 180_000 };
    return (await promisify(execFile)(shell.path, [...args], options)).stdout.split(/\r?\n/);
  };

  it("zsh offers the same", async (t) => {
    const zsh = await obtainShell("zsh");
    if (zsh === undefined) return t.skip("there is no zsh, and no apt-get to obtain it");
    const [script, inner] = [join(work, "ask.zsh"), join(work, "inner.zsh")];
    await writeFile(script, ZSH);
    await writeFile(inner, ZSH_INNER);
    const paths = { MODULES: zsh.modules.join(" "), FUNCTIONS: zsh.functions.join(" ") };
    for (const [line, expected] of LINES) {
      const told = await asked(zsh, ["-f", script], { ...paths, ZSH: zsh.path, INNER: inner, LINE: line });
      const found = told.flatMap((text) => /OFFER (\S+)/.exec(text)?.[1] ?? []);
      assert.deepEqual([...new Set(found)].sort(), expected.toSorted(), `${line}:\n${told.join("\n")}`);
    }
  });

  it("fish offers the same, and files where keyferry has nothing", async (t) => {
    const fish = await obtainShell("fish");
    if (fish === undefined) return t.skip("there is no fish, and no apt-get to obtain it");
    const files = ["keyferry plan --fleet oth", ["other.yaml"]] as const;
    for (const [line, expected] of [...LINES, files]) {
      const told = await asked(fish, ["--no-config", "-c", FISH], { FUNCTIONS: fish.functions.join(" "), LINE: line });
      const found = told.filter((text) => text !== "");
      assert.deepEqual(found.toSorted(), expected.toSorted(), line);
    }
  });
});
