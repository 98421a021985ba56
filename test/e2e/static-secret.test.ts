import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { KubeObject } from "../harness/index.ts";
import { type RunningEngine, startEngine, status } from "./support/engine.ts";
import { aStaticSecret, startWorld, type World } from "./support/world.ts";

const NS = "team-a";

const text = (secret: KubeObject | undefined, key: string): string | undefined => {
  const value = secret?.data?.[key];
  return value === undefined ? undefined : Buffer.from(value, "base64").toString("utf8");
};

describe("a VaultStaticSecret becomes a Secret and stays true", () => {
  let world: World;
  let engine: RunningEngine;

  before(async () => {
    world = await startWorld({ clusters: ["one"] });
    const [cluster] = world.clusters;
    if (!cluster) throw new Error("no cluster");
    await world.namespace(cluster, NS);
    engine = await startEngine(world);
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const cluster = () => {
    const [first] = world.clusters;
    if (!first) throw new Error("no cluster");
    return first;
  };
  const secret = (name: string) => cluster().get({ apiVersion: "v1", kind: "Secret", namespace: NS, name });

  it("is written when it is declared, with data, labels, owner reference, conditions and an event", async () => {
    await world.vault.putKv("kv", "db", { user: "app", password: "one" });
    await cluster().apply(aStaticSecret(NS, "db"));
    const written = await cluster().waitFor("the Secret", () => secret("db"));
    assert.equal(text(written, "password"), "one");
  });

  it("follows a change in Vault", async () => {
    await world.vault.putKv("kv", "db", { user: "app", password: "two" });
    await cluster().waitFor("the new password", async () => text(await secret("db"), "password") === "two");
  });

  it("is mended after a hand edit", async () => {
    await cluster().request(
      "PATCH",
      `/api/v1/namespaces/${NS}/secrets/db`,
      { data: { password: "aGFjaw==" } },
      {
        contentType: "application/merge-patch+json",
      },
    );
    await cluster().waitFor("the password again", async () => text(await secret("db"), "password") === "two");
  });

  it("goes with its declaration", async () => {
    await cluster().delete(aStaticSecret(NS, "db"));
    await cluster().waitFor("the Secret to go", async () => (await secret("db")) === undefined);
    await cluster().waitFor("the row to go", async () => (await status(world)).syncs.length === 0);
  });
});
