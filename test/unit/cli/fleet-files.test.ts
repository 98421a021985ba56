import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { filesToUpload } from "../../../cli/fleet-files.ts";
import { parseFleet } from "../../../lib/fleet/fleet.ts";

const KUBECONFIG = JSON.stringify({
  clusters: [{ name: "c", cluster: { server: "https://a" } }],
  users: [{ name: "u", user: { token: "s3cret" } }],
  contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
  "current-context": "x",
});

async function checked(
  t: TestContext,
  connects: readonly object[],
  files: Readonly<Record<string, string>>,
  mode = 0o600,
) {
  const folder = await mkdtemp(join(tmpdir(), "push-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
    await chmod(join(folder, path), mode);
  }
  const clusters = connects.map((connect, at) => ({ name: `c${at}`, connect }));
  const text = JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters });
  return filesToUpload(parseFleet(text, "fleet.yaml"), folder, "fleet.yaml");
}

const kubeconfig = (path: string) => ({ kubeconfig: { path } });
const server = (fields: object) => ({ server: { url: "https://a", ...fields } });

describe("the files of a fleet for functions", () => {
  it("are read by their keys in the bucket", async (t) => {
    const connects = [kubeconfig("./clusters/a.yaml"), server({ tokenFile: "t", caFile: "/etc/pki/ca.pem" })];
    const found = await checked(t, connects, { "clusters/a.yaml": KUBECONFIG, t: "s3cret" });
    assert.deepEqual([...found.files.keys()], ["clusters/a.yaml", "t"]);
    assert.deepEqual(found.problems, []);
    assert.match(found.warnings[0]?.message ?? "", /not uploaded/);
  });

  it("are all refused at once, with field, file and remedy, and without content", async (t) => {
    const exec = KUBECONFIG.replace(JSON.stringify({ token: "s3cret" }), JSON.stringify({ exec: { command: "aws" } }));
    const connects = [
      kubeconfig("gone.yaml"),
      kubeconfig("/home/me/config"),
      kubeconfig("../outside.yaml"),
      kubeconfig("exec.yaml"),
      kubeconfig("fleet.yaml"),
      server({ tokenFile: "empty" }),
    ];
    const { files, problems } = await checked(t, connects, { "exec.yaml": exec, empty: "\n" });
    const all = problems.join("\n");
    assert.match(all, /clusters\[0\]\.connect\.kubeconfig\.path: .*gone\.yaml can't be read \(ENOENT\)/);
    assert.match(all, /clusters\[1\].*\/home\/me\/config does not exist in the functions: put it beside/);
    assert.match(all, /clusters\[2\].*\.\.\/outside\.yaml is outside the folder/);
    assert.match(all, /clusters\[3\].*exec\.yaml: user u logs in with an exec plugin \(aws\)/);
    assert.match(all, /clusters\[4\].*would replace fleet\.yaml/);
    assert.match(all, /clusters\[5\]\.connect\.server\.tokenFile: empty: it is empty/);
    assert.equal(problems.length, 6);
    assert.ok(!all.includes("s3cret"));
    assert.ok(files.size > 0);
  });

  it("are told when others may read them: credentials, not certificates", async (t) => {
    const connects = [kubeconfig("a.yaml"), server({ tokenFile: "t", caFile: "ca" })];
    const { warnings } = await checked(t, connects, { "a.yaml": KUBECONFIG, t: "s3cret", ca: "pem" }, 0o644);
    assert.deepEqual(
      warnings.map(({ file }) => file),
      ["a.yaml", "t"],
    );
    assert.match(warnings[0]?.message ?? "", /mode 644\).*can log in to its cluster; set its mode to 600/);
  });
});
