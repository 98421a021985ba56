import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../harness/index.ts";
import { type RunningEngine, startEngine, status } from "./support/engine.ts";
import { type Place, placeIn } from "./support/place.ts";
import { type ScriptedApi, scriptedApi } from "./support/scripted-api.ts";
import { startWorld, type World } from "./support/world.ts";

const NS = "shop";
const MIB = 1024 * 1024;
const LONG_MS = 60_000;

describe("an API server that sends what no API server sends", () => {
  let world: World;
  let api: ScriptedApi;
  let honest: Place;
  let sick: Place;
  let engine: RunningEngine;
  let changes = 0;

  before(async () => {
    world = await startWorld({ clusters: ["honest", "sick"] });
    for (const cluster of world.clusters) await world.namespace(cluster, NS);
    [honest, sick] = world.clusters.map((cluster) => placeIn(cluster, NS)) as [Place, Place];
    api = await scriptedApi(sick.cluster, world.folder);
    await world.writeFleet(({ name }) =>
      name === "sick" ? { connect: { kubeconfig: { path: api.kubeconfigPath } } } : {},
    );
    await world.vault.putKv("kv", "db", { password: "0" });
    engine = await startEngine(world);
    for (const place of [honest, sick]) await place.declare("db", { refreshAfter: "2s" });
    for (const place of [honest, sick]) await place.synced("db", LONG_MS);
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await api?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const errorOf = async (name: string) =>
    (await status(world)).clusters.find((cluster) => cluster.name === name)?.error?.code;
  const told = (code: string, timeoutMs = LONG_MS) =>
    waitFor(`the cluster's ${code}`, async () => (await errorOf("sick")) === code, timeoutMs);

  /** What must hold whatever the sick one does: the process lives, and the honest cluster is served. */
  async function honestIsServed(): Promise<void> {
    const password = `${++changes}`;
    await world.vault.putKv("kv", "db", { password });
    await honest.secretThat("db", ({ data }) => data.password === password, LONG_MS);
    assert.equal(engine.child.exitCode, null);
    assert.equal(await errorOf("honest"), undefined);
  }

  async function recovers(): Promise<void> {
    api.play(undefined);
    await sick.secretThat("db", ({ data }) => data.password === `${changes}`, LONG_MS);
    await waitFor("the cluster to be well", async () => (await errorOf("sick")) === undefined, LONG_MS);
  }

  const line = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`;

  it("a version that is no number, of a Secret that is being written: the process lives, and the cluster says it", async () => {
    const secret = await sick.cluster.get({ apiVersion: "v1", kind: "Secret", namespace: NS, name: "db" });
    let isHeld = false;
    let isSent = false;
    let tell: ServerResponse | undefined;
    let toldIn: ServerResponse | undefined;
    // Once in each watch: the error of one is over when the next one begins, and `status` may look only after that.
    const send = (): void => {
      if (!isHeld || tell === undefined || tell === toldIn) return;
      toldIn = tell;
      isSent = true;
      const metadata = { ...secret?.metadata, resourceVersion: "not-a-number" };
      tell.write(line("MODIFIED", { ...secret, data: undefined, metadata }));
    };
    api.play(({ method, url = "" }, response, pass) => {
      if (method === "PATCH" && url.includes("/secrets/db")) {
        isHeld = true;
        // The event arrives while the row is claimed, and is judged after that.
        setTimeout(pass, 1_500);
        send();
        return true;
      }
      if (url.startsWith("/api/v1/secrets?") && url.includes("watch=true")) {
        response.writeHead(200, { "content-type": "application/json" });
        response.flushHeaders();
        tell = response;
        send();
        return true;
      }
      return false;
    });
    await waitFor("a watch", async () => tell !== undefined, LONG_MS);
    await honestIsServed();
    await waitFor("the event", async () => isSent, LONG_MS);
    await told("KUBE_ANSWER_INVALID");
    await honestIsServed();
    await recovers();
  });

  for (const [what, object] of [
    ["nothing", {}],
    ["a list for its metadata", { metadata: [] }],
    ["no version", { metadata: { namespace: NS, name: "x", uid: "x" } }],
    ["a name that is a path", { metadata: { namespace: NS, name: "../x", uid: "x", resourceVersion: "1" } }],
  ] as const) {
    it(`a declaration that has ${what}: the process lives, and the cluster says it`, async () => {
      api.play(({ url = "" }, response) => {
        if (!url.includes("vaultstaticsecrets?") || !url.includes("watch=true")) return false;
        response.writeHead(200, { "content-type": "application/json" });
        response.end(line("ADDED", object));
        return true;
      });
      await told("KUBE_ANSWER_INVALID");
      await honestIsServed();
      await recovers();
    });
  }

  const listsWith = (answer: (response: ServerResponse, url: string) => void) =>
    api.play(({ url = "" }, response) => {
      if (!url.includes("vaultstaticsecrets?")) return false;
      if (url.includes("watch=true")) {
        response.writeHead(410).end(JSON.stringify({ kind: "Status", code: 410, reason: "Expired" }));
        return true;
      }
      answer(response, url);
      return true;
    });
  const memoryOf = async () => {
    const text = await readFile(`/proc/${engine.child.pid}/status`, "utf8").catch(() => "VmHWM: 0 kB");
    return (Number(/VmHWM:\s+(\d+) kB/.exec(text)?.[1]) * 1024) / MIB;
  };

  it("a list of 250 MB: it is not read, and the cluster says so", async () => {
    const before = await memoryOf();
    listsWith((response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.write('{"metadata":{"resourceVersion":"1"},"items":[');
      let sent = 0;
      const object = `${JSON.stringify({ metadata: { uid: "u", name: "x", resourceVersion: "1" }, spec: { a: "x".repeat(1000) } })},`;
      const more = (): void => {
        while (!response.destroyed && sent < 250 * MIB && response.write(object)) sent += object.length;
        if (sent >= 250 * MIB) response.end("{}]}");
      };
      response.on("drain", more);
      more();
    });
    await told("KUBE_ANSWER_TOO_LARGE");
    await honestIsServed();
    assert.ok((await memoryOf()) - before < 256, `${await memoryOf()} MiB after ${before}`);
    await recovers();
  });

  it("pages without end: a namespace is stored up to its limit, and the list has an end", async () => {
    const before = await memoryOf();
    let pages = 0;
    listsWith((response) => {
      pages += 1;
      const items = Array.from({ length: 500 }, (_, at) => ({
        metadata: {
          namespace: NS,
          name: `p${pages}-${at}`,
          uid: `p${pages}-${at}`,
          resourceVersion: "1",
          generation: 1e300,
        },
        spec: { destination: { name: `p${pages}-${at}` }, text: "x".repeat(2_000) },
      }));
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ metadata: { resourceVersion: "1", continue: `page-${pages}` }, items }));
    });
    // Ten thousand declarations are stored first.
    await told("KUBE_ANSWER_TOO_LARGE", 8 * LONG_MS);
    await honestIsServed();
    const rows = (await status(world)).syncs.filter(({ key }) => key.startsWith("sick/")).length;
    assert.ok(rows > 1_000 && rows <= 10_200, `${rows} rows`);
    assert.ok((await memoryOf()) - before < 512, `${await memoryOf()} MiB after ${before}`);
  });

  it("ends well when it is asked to", async () => {
    assert.equal(await engine.stop(), 0);
    assert.deepEqual(
      engine.logs.filter(({ event }) => event.endsWith("-crashed")),
      [],
    );
  });
});
