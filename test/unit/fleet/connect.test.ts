import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { awsAccess } from "../../../lib/aws/aws-access.ts";
import { accessTo } from "../../../lib/connect/ways.ts";
import { InputError } from "../../../lib/errors.ts";
import type { Connect } from "../../../lib/fleet/connect-schema.ts";
import { folderFiles } from "../../../lib/fleet/files.ts";
import { readFleet } from "../../../lib/fleet/read-fleet.ts";

/** Access to cluster east, with files in this folder. */
const access = (connect: Connect, folder: string) =>
  accessTo(
    { name: "east", connect },
    { files: folderFiles(folder), clock: () => 0, aws: awsAccess(() => 0), mayExec: true },
  );

describe("access to a cluster", () => {
  it("finds a kubeconfig beside the fleet file", async () => {
    const connect = { kubeconfig: { path: "./east", context: "admin" } };
    assert.deepEqual(await access(connect, "/etc/fleet"), {
      kubeConfig: { path: "/etc/fleet/east" },
      context: "admin",
    });
    const absolute = { kubeconfig: { path: "/home/x" } };
    assert.deepEqual(await access(absolute, "/etc"), { kubeConfig: { path: "/home/x" } });
  });

  it("makes a kubeconfig of a server, whose files are named and not read", async () => {
    const server = { url: "https://a", caFile: "ca.crt", serverName: "api", insecure: false, tokenFile: "/run/token" };
    const { kubeConfig } = await access({ server }, "/etc/fleet");
    assert.ok("text" in kubeConfig);
    assert.deepEqual(parse(kubeConfig.text), {
      apiVersion: "v1",
      kind: "Config",
      clusters: [
        {
          name: "cluster",
          cluster: { server: "https://a", "certificate-authority": "/etc/fleet/ca.crt", "tls-server-name": "api" },
        },
      ],
      users: [{ name: "cluster", user: { tokenFile: "/run/token" } }],
      contexts: [{ name: "cluster", context: { cluster: "cluster", user: "cluster" } }],
      "current-context": "cluster",
    });
  });
});

describe("readFleet", () => {
  it("says which file can't be read", async () => {
    await assert.rejects(
      () => readFleet("/nowhere/fleet.yaml"),
      (error) =>
        error instanceof InputError && /^can't be read \(ENOENT\): keyferry init /.test(error.complaints[0] ?? ""),
    );
  });

  it("answers the folder that paths are relative to", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "fleet-"));
    t.after(() => rm(folder, { recursive: true }));
    const path = join(folder, "fleet.yaml");
    await writeFile(
      path,
      "apiVersion: keyferry.dev/v1alpha1\nkind: Fleet\nclusters: [{name: a, connect: {kubeconfig: {path: k}}}]",
    );
    const { fleet, folder: found } = await readFleet(path);
    assert.equal(found, folder);
    assert.equal(fleet.clusters[0]?.name, "a");
  });
});
