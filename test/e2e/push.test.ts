import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Cluster, type VaultFlavor, waitFor } from "../harness/index.ts";
import { WORKLOAD_CONTROLLERS } from "../workloads.ts";
import { keyferry, type RunningEngine, startEngine, status } from "./support/engine.ts";
import { heldAt } from "./support/held.ts";
import { allowPush, aDeployment as deployment, named, aSecret as secret } from "./support/pushing.ts";
import { sideBySide } from "./support/side-by-side.ts";
import { startWorld, type World } from "./support/world.ts";

const NS = "team-a";
const aSecret = (...args: Tail<typeof secret>) => secret(NS, ...args);
const aDeployment = (...args: Tail<typeof deployment>) => deployment(NS, ...args);

type Tail<F extends (...args: never[]) => unknown> = Parameters<F> extends [string, ...infer Rest] ? Rest : never;

sideBySide(
  "annotated objects",
  ["openbao", "vault"] as const,
  (flavor) => `annotated objects push their Secrets to ${flavor}`,
  storyOn,
);

function storyOn(flavor: VaultFlavor): void {
  let world: World;
  let engine: RunningEngine;

  before(async () => {
    const controllers = WORKLOAD_CONTROLLERS;
    world = await startWorld({ clusters: ["one"], vault: { flavor }, cluster: { controllers } });
    await world.namespace(cluster(), NS);
    await allowPush(world);
    engine = await startEngine(world);
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const cluster = (): Cluster => world.clusters[0] ?? assert.fail("no cluster");
  const held = (path: string) => heldAt(world.vault, path);
  const holds = (path: string, expected: unknown) =>
    waitFor(`${path} to hold it`, async () => JSON.stringify(await held(path)) === JSON.stringify(expected), 90_000);
  const versionOf = async (path: string): Promise<number> => {
    const { body } = await world.vault.request("GET", `kv/metadata/${path}`);
    return (body as { data?: { current_version: number } }).data?.current_version ?? 0;
  };
  const patch = (kind: "deployments" | "secrets", name: string, body: object) => {
    const group = kind === "secrets" ? "/api/v1" : "/apis/apps/v1";
    const contentType = "application/merge-patch+json";
    return cluster().request("PATCH", `${group}/namespaces/${NS}/${kind}/${name}`, body, { contentType });
  };
  /** Every request that changed something below `apps/`, by Vault's own audit log. */
  const written = async (): Promise<number> => {
    const all = [...(await world.vault.auditedReads())];
    return all.reduce(
      (sum, [name, times]) => sum + (/^(create|update|patch|delete) kv1?\/.*apps\//.test(name) ? times : 0),
      0,
    );
  };

  // A path is written at most twice a minute, and read at most as often.
  describe("half a minute later", { concurrency: 2 }, () => {
    it("a Deployment pushes each Secret of its pod template, and follows a change within seconds", async () => {
      await cluster().apply([aSecret("db", { user: "app", password: "one" }), aSecret("api", { token: "t" })]);
      await cluster().apply(aDeployment("web", named({ path: `kv/data/apps/${NS}/web` }), ["db", "api"]));
      await holds(`kv/data/apps/${NS}/web/db`, { password: "one", user: "app" });
      await holds(`kv/data/apps/${NS}/web/api`, { token: "t" });
      await waitFor(
        "30 s between two versions",
        async () => {
          await patch("secrets", "db", { data: { password: Buffer.from("two").toString("base64") } });
          return JSON.stringify(await held(`kv/data/apps/${NS}/web/db`)) === '{"password":"two","user":"app"}';
        },
        120_000,
      );
      assert.equal(await versionOf(`apps/${NS}/web/db`), 2);
    });

    it("what was edited, deleted or destroyed in Vault is restored by reconcile", async () => {
      const at = `apps/${NS}/kept`;
      await cluster().apply(aSecret("kept", { a: "1" }, named({ path: `kv/${at}`, reconcile: "30s" })));
      await holds(`kv/data/${at}`, { a: "1" });
      await world.vault.remove(`kv/metadata/${at}`);
      await waitFor("the path again", async () => (await versionOf(at)) === 1, 90_000);
      await holds(`kv/data/${at}`, { a: "1" });
    });
  });

  it("a hundred scalings write nothing to Vault", async () => {
    const before = await written();
    for (let replicas = 0; replicas < 100; replicas++) {
      await patch("deployments", "web", { spec: { replicas: replicas % 2 } });
    }
    // A later change shows that all of them were seen.
    await cluster().apply(aSecret("last", { a: "1" }, named({ path: `kv1/apps/${NS}/last` })));
    await holds(`kv1/apps/${NS}/last`, { a: "1" });
    assert.equal((await written()) - before, 1);
  });

  it("a Secret pushes itself, and its status is in keyferry status and explain", async () => {
    await cluster().apply(aSecret("own", { a: "1" }, named({ path: `kv/apps/${NS}/own` })));
    await holds(`kv/data/apps/${NS}/own`, { a: "1" });
    const key = `one/Secret/${NS}/own`;
    await waitFor("its row to be in step", async () => {
      const found = (await status(world)).syncs.find((sync) => sync.key === key);
      return found?.state === "synced";
    });
    const explained = await keyferry(["explain", key, "--data-dir", `${world.folder}/data`]);
    assert.equal(explained.code, 0, explained.stderr);
    assert.match(explained.stdout, new RegExp(`apps/${NS}/own`));
  });

  it("the metrics have the names of Vault Sync Operator, with cluster and kind, and no path", async () => {
    const text = await engine.metrics();
    const lines = text.split("\n").filter((line) => line.startsWith("vault_sync_operator_"));
    const value = (name: string, ...labels: readonly string[]) =>
      Number(
        lines
          .find((line) => [`_${name}{`, ...labels].every((part) => line.includes(part)))
          ?.split(" ")
          .at(-1),
      );
    assert.ok(value("sync_attempts_total", 'kind="Deployment"', 'resource="web"', 'result="success"') >= 1);
    assert.equal(value("secrets_discovered", 'cluster="one"', 'kind="Deployment"', 'resource="web"'), 2);
    assert.ok(value("auth_attempts_total", 'cluster="one"', 'result="success"') >= 1);
    assert.equal(value("runtime_info", 'setting="node_version"'), 1);
    assert.deepEqual(
      lines.filter((line) => line.includes("apps/")),
      [],
    );
  });

  it("what fleet.yaml does not allow is an event of the object, and nothing is written", async () => {
    const before = await written();
    await cluster().apply(aSecret("climbs", { a: "1" }, named({ path: "kv/apps/other/../x" })));
    await cluster().apply(aSecret("foreign", { a: "1" }, named({ path: "kv/apps/other/x" })));
    for (const [name, code] of [
      ["climbs", "SPEC_INVALID"],
      ["foreign", "PUSH_NOT_ALLOWED"],
    ] as const) {
      await waitFor(`an event of ${name}`, async () => {
        const answer = await cluster().request("GET", `/api/v1/namespaces/${NS}/events`);
        return JSON.stringify(answer.body).includes(`${code}: `);
      });
    }
    assert.equal(await written(), before);
  });

  it("a deleted object deletes what it pushed, and leaves what others wrote since", async () => {
    await world.vault.putKv("kv", `apps/${NS}/web/api`, { theirs: "x" });
    await cluster().delete({ apiVersion: "apps/v1", kind: "Deployment", namespace: NS, name: "web" });
    await waitFor("the path to go", async () => (await held(`kv/data/apps/${NS}/web/db`)) === undefined);
    await waitFor("its row to go", async () => !(await status(world)).syncs.some(({ key }) => key.includes("/web")));
    assert.deepEqual(await held(`kv/data/apps/${NS}/web/api`), { theirs: "x" });
  });
}
