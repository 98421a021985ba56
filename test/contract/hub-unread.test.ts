import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type TempFolder, tempFolder } from "../harness/index.ts";

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

const HEAD = "apiVersion: keyferry.dev/v1alpha1\nkind: Fleet\n";
const HUB = `hubs:
  - name: platform
    argocd: {namespace: argocd}
    connect:
      kubeconfig: {path: ./gone.kubeconfig}
`;
/** No file of this name exists, so nothing is reached. */
const EAST = `clusters:
  - name: east
    connect:
      kubeconfig: {path: ./east.kubeconfig}
`;

describe("commands, while a hub or a cluster can't be read", () => {
  let folder: TempFolder;
  before(async () => {
    folder = await tempFolder("hub-unread");
    await writeFile(join(folder.path, "hub.yaml"), HEAD + HUB);
    await writeFile(join(folder.path, "east.yaml"), HEAD + EAST);
    await writeFile(join(folder.path, "both.yaml"), HEAD + EAST + HUB);
  });
  after(() => folder[Symbol.asyncDispose]());

  async function ran(...args: readonly string[]) {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, ...args], {
      cwd: folder.path,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    return { code: code as number | null, stdout, stderr };
  }

  it("a plan of the fleet fails, and says which hub and why, for people and scripts", async () => {
    const { code, stdout } = await ran("plan", "-f", "hub.yaml", "-o", "json");
    const { hubs, exitCode } = JSON.parse(stdout);
    assert.deepEqual([code, exitCode, hubs.unread.length, hubs.refused], [1, 1, 1, []]);
    const [{ hub, code: because, message }] = hubs.unread;
    assert.deepEqual([hub, because], ["platform", "REFERENCE_INVALID"]);
    assert.match(message, /gone\.kubeconfig/);
    const shown = await ran("plan", "-f", "hub.yaml");
    assert.equal(shown.code, 1);
    assert.match(shown.stdout, /^! hub platform could not be read.*: REFERENCE_INVALID: .*gone\.kubeconfig/m);
  });

  it("a handover of the whole fleet is refused in either direction, with the remedy", async () => {
    for (const to of ["vso", "keyferry"]) {
      const { code, stdout } = await ran("handover", "--to", to, "-f", "hub.yaml");
      assert.equal(code, 1, to);
      assert.match(stdout, /^hub platform could not be read.*: REFERENCE_INVALID: .*gone\.kubeconfig/m);
      assert.match(stdout, /--cluster/);
      assert.doesNotMatch(stdout, /nothing to hand over/);
    }
    const { code, stdout } = await ran("handover", "--to", "vso", "-f", "hub.yaml", "-o", "json");
    assert.deepEqual([code, JSON.parse(stdout).hubs.unread[0].hub], [1, "platform"]);
  });

  it("a cluster that is not known is said to be one of the hub, perhaps, with the reason why that is not known", async () => {
    for (const args of [
      ["doctor", "prod-eu"],
      ["handover", "--to", "vso", "--cluster", "prod-eu"],
    ]) {
      const { code, stderr } = await ran(...args, "-f", "hub.yaml");
      assert.equal(code, 2);
      assert.match(
        stderr,
        /no such cluster in the fleet: prod-eu.*hub platform.*REFERENCE_INVALID: .*gone\.kubeconfig/,
      );
    }
    const { code, stdout } = await ran("doctor", "-f", "hub.yaml");
    assert.equal(code, 1);
    assert.match(stdout, /HUB_UNREAD +hub platform in fleet.yaml\n +REFERENCE_INVALID: .*gone\.kubeconfig/);
  });

  it("commands that know the clusters of fleet.yaml alone say so", async () => {
    for (const args of [
      ["bootstrap", "prod-eu"],
      ["injector", "manifests", "prod-eu"],
    ]) {
      const { code, stderr } = await ran(...args, "-f", "hub.yaml");
      assert.equal(code, 2);
      assert.match(stderr, /hub\.yaml has no cluster prod-eu: it has none\b.*not for those of its hubs/);
      assert.match((await ran(...args, "-f", "east.yaml")).stderr, /has no cluster prod-eu: it has east$/m);
    }
  });

  it("a plan of keys shows why they are not found, and does not say that they do not exist", async () => {
    const key = "east/VaultStaticSecret/shop/db";
    for (const args of [
      ["-f", "east.yaml", key],
      ["-f", "east.yaml", "east/*/shop/*"],
      ["-f", "hub.yaml", key],
    ]) {
      const { code, stdout, stderr } = await ran("plan", ...args);
      assert.equal(code, 1, args.join(" "));
      assert.match(stdout, /^! (cluster east|hub platform).*REFERENCE_INVALID: /m);
      assert.match(stderr, /^east\/.*: not planned, because not everything could be read$/m);
      assert.doesNotMatch(stderr, /no such sync|no sync matches/);
    }
  });

  it("a plan refuses what is no key before it reaches anything", async () => {
    const { code, stdout, stderr } = await ran("plan", "-f", "both.yaml", "east/*", "east");
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /east: it must be CLUSTER\/KIND\/NAMESPACE\/NAME/);
    assert.doesNotMatch(stderr, /reading cluster/);
  });

  it("what was asked for by the name of its cluster does not need the hub", async () => {
    const handed = await ran("handover", "--to", "vso", "-f", "both.yaml", "--cluster", "east", "-o", "json");
    assert.deepEqual(JSON.parse(handed.stdout).hubs, { unread: [], refused: [] });
  });
});
