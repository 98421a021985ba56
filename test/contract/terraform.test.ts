import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { FORMATS } from "../../cli/bootstrap/formats.ts";
import { clusterNeeds } from "../../cli/bootstrap/needs.ts";
import { parseFleet } from "../../lib/fleet/fleet.ts";
import { tempFolder } from "../harness/index.ts";

const INFRA = fileURLToPath(new URL("../../infra/", import.meta.url));
const TOOLS = ["tofu", "terraform"] as const;

const FLEET = `
apiVersion: keyferry.dev/v1alpha1
kind: Fleet
clusters:
  - name: all
    connect: {kubeconfig: {path: ./a.kubeconfig}}
    vault: {address: https://vault.example.com}
  - name: cloud
    connect: {eks: {cluster: prod, region: eu-central-1, roleArn: "arn:aws:iam::123456789012:role/keyferry"}}
    vault: {address: https://vault.example.com}
  - name: pushes
    connect: {server: {url: 'https://10.0.0.1:6443', caFile: ./ca.pem, tokenFile: ./token}}
    namespaces: {include: [shop, "7"]}
    vault: {address: https://vault.example.com, authMount: "it's mine"}
    push:
      paths: ["kv/apps/{namespace}/**"]
      identity: {mount: "it's mine", role: push, serviceAccount: {name: pusher}, audiences: [vault]}
`;
const FLAGS = { account: "keyferry/keyferry", loginAccount: "vault", audience: "vault" };
const USES = { kv: ["kv/{namespace}/*"], kv1: ["old/shop"], dynamic: ["database/creds/shop"], pki: ["pki/web"] };

async function tool(): Promise<string | undefined> {
  for (const name of TOOLS) {
    const isThere = await promisify(execFile)(name, ["version"]).then(
      () => true,
      () => false,
    );
    if (isThere) return name;
  }
  return undefined;
}

/** `validate` needs providers, which can't be had on every machine; `fmt` parses, and knows the usual form. */
describe("Terraform", () => {
  it("accepts the form of what is shipped, and of what keyferry bootstrap prints", async (t) => {
    const command = await tool();
    if (command === undefined) return t.skip(`neither ${TOOLS.join(" nor ")} is on PATH`);
    await using folder = await tempFolder("terraform");
    const shipped = (await readdir(INFRA, { recursive: true })).filter((name) => name.endsWith(".tf"));
    assert.ok(shipped.length > 1);
    for (const name of shipped) await writeFile(join(folder.path, basename(name)), await readFile(join(INFRA, name)));
    const printed = join(folder.path, "printed");
    await mkdir(printed);
    const fleet = parseFleet(FLEET, "fleet.yaml");
    for (const { name } of fleet.clusters) {
      const needs = clusterNeeds({ fleet, folder: "/fleet", fileName: "fleet.yaml" }, name, { ...FLAGS, ...USES });
      await writeFile(join(printed, `${name}.tf`), FORMATS.terraform(needs));
    }
    const { stdout } = await promisify(execFile)(command, ["fmt", "-recursive", "-diff", folder.path]);
    assert.equal(stdout, "");
  });
});
