import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import type { Condition, Place } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import type { World } from "./support/world.ts";

const NS = "team-a";
const PASSWORD = "Hw7-velvet-compass-harbour";

describe("what is done as declared, and what people would want to know of it", () => {
  let world: World;
  let engine: RunningEngine;
  let place: Place;

  before(async () => {
    ({ world, place } = await startPlace(NS));
    await world.vault.putKv("kv", "db", { user: "app", password: PASSWORD });
    engine = await startEngine(world);
  });
  after(() => endAll(engine, world));

  const declare = (name: string, text: string, more: object = {}) => {
    const transformation = { excludeRaw: true, excludes: ["."], templates: { url: { text } } };
    return place.declare(name, { path: name, destination: { name, create: true, transformation }, ...more });
  };
  const warning = async (name: string, type: string, isSo: (condition: Condition | undefined) => boolean) =>
    place.cluster.waitFor(`condition ${type} of ${name}`, async () => {
      const condition = (await place.conditions(name))[type];
      return isSo(condition) && (condition ?? true);
    }) as Promise<Condition>;
  const warningsOf = async (name: string, reason: string) =>
    (await place.events(name)).filter((event) => event.type === "Warning" && event.reason === reason);

  it("a field that a template writes and that is not there: the Secret is as Go makes it, and the resource says where", async () => {
    await world.vault.putKv("kv", "url", { user: "app", password: PASSWORD });
    await declare("url", "{{ .Secrets.user }}:{{ .Secrets.pass }}@\n{{ .Secrets.host }}");
    await place.synced("url");
    assert.equal((await place.secret("url"))?.data.url, "app:<no value>@\n<no value>");
    const { status, reason, message } = await warning("url", "TemplatesComplete", (found) => found !== undefined);
    assert.deepEqual({ status, reason }, { status: "False", reason: "NoSuchField" });
    assert.match(
      message,
      /template "team-a\/url\/url", line 1, column 31, at <\.Secrets\.pass>; .*line 2, .*<\.Secrets\.host>/,
    );
    await place.cluster.waitFor("its event", async () => (await warningsOf("url", "NoSuchField")).length === 1);
  });

  it("is said once, follows the data, and is over when the field is there", async () => {
    await world.vault.putKv("kv", "url", { user: "other", password: PASSWORD, host: "db" });
    await place.secretThat("url", ({ data }) => data.url === "other:<no value>@\ndb");
    await warning(
      "url",
      "TemplatesComplete",
      (found) => found !== undefined && !found.message.includes(".Secrets.host"),
    );
    await world.vault.putKv("kv", "url", { user: "other", pass: PASSWORD, host: "db" });
    await place.secretThat("url", ({ data }) => data.url === `other:${PASSWORD}@\ndb`);
    await warning("url", "TemplatesComplete", (found) => found === undefined);
    await place.synced("url");
    assert.equal((await warningsOf("url", "NoSuchField")).length, 2);
  });

  it("is told although no byte of the Secret changes", async () => {
    await world.vault.putKv("kv", "same", { a: "<no value>" });
    await declare("same", "{{ .Secrets.a }}");
    await place.synced("same");
    const secret = await place.secret("same");
    await world.vault.putKv("kv", "same", { b: "x" });
    await warning("same", "TemplatesComplete", (found) => found !== undefined);
    assert.deepEqual(await place.secret("same"), secret);
  });

  it("instantUpdates at a Vault without events: the resource says that it has no effect, how often Vault is asked, and no longer when it is gone", async () => {
    await place.declare("instant", { path: "db", syncConfig: { instantUpdates: true } });
    await place.synced("instant");
    const { status, reason, message } = await warning("instant", "InstantUpdates", (found) => found !== undefined);
    assert.deepEqual({ status, reason }, { status: "False", reason: "EventsDenied" });
    assert.match(
      message,
      /instantUpdates has no effect: GET sys\/events\/subscribe\/kv\* of .* is not allowed \(403\).* Meanwhile keyferry reads Vault every 5 s/,
    );
    await place.cluster.waitFor("its event", async () => (await warningsOf("instant", "EventsDenied")).length === 1);
    await place.touch("instant");
    await place.declare("instant", { path: "db", syncConfig: { instantUpdates: true }, refreshAfter: "10s" });
    await warning("instant", "InstantUpdates", (found) => found?.message.includes("every 10 s") === true);
    await place.declare("instant", { path: "db", refreshAfter: "10s" });
    await warning("instant", "InstantUpdates", (found) => found === undefined);
    assert.equal((await warningsOf("instant", "EventsDenied")).length, 2);
  });

  it("missingKey: error in fleet.yaml: what was done with a warning fails, its Secret stays, and so do those with all fields", async () => {
    await world.vault.putKv("kv", "strict", { user: "app" });
    await declare("strict", "{{ .Secrets.user }}{{ .Secrets.pass }}");
    await place.synced("strict");
    const secret = await place.secret("strict");
    assert.equal(await engine.stop(), 0);
    await world.writeFleet(() => ({ globalTransformationOptions: { missingKey: "error" } }));
    engine = await startEngine(world);
    assert.match(
      await place.failed("strict", "TRANSFORM_FAILED"),
      /template "team-a\/strict\/url", line 1, column 30, at <\.Secrets\.pass>: there is no such entry/,
    );
    assert.deepEqual(await place.secret("strict"), secret);
    await place.touch("url");
    await place.synced("url");
    await world.vault.putKv("kv", "strict", { user: "app", pass: PASSWORD });
    await place.touch("strict");
    await place.secretThat("strict", ({ data }) => data.url === `app${PASSWORD}`);
    await place.synced("strict");
    await assertNoLeak(world, engine, [PASSWORD]);
  });
});
