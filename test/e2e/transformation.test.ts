import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Cluster } from "../harness/index.ts";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import type { Place } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { aStaticSecret, type World } from "./support/world.ts";

const NS = "team-a";
const PLATFORM = "platform";
const PASSWORD = "Vq8-paper-lantern-meadow";
const API = "secrets.hashicorp.com/v1beta1";

describe("templates and filters shape a Secret's data", () => {
  let world: World;
  let engine: RunningEngine;
  let cluster: Cluster;
  let place: Place;

  before(async () => {
    ({ world, cluster, place } = await startPlace(NS));
    await world.namespace(cluster, PLATFORM);
    const metadata = { custom_metadata: { team: "shop" } };
    await world.vault.putKv("kv", "db", { user: "app", password: PASSWORD, host: " db.example ", internal_note: "x" });
    await world.vault.write("kv/metadata/db", metadata);
    engine = await startEngine(world);
  });
  after(() => endAll(engine, world));

  const shared = async (name: string, spec: object, namespace = NS): Promise<void> =>
    void (await cluster.apply({ apiVersion: API, kind: "SecretTransformation", metadata: { name, namespace }, spec }));

  /** Declares one that nothing but an event brings back: what happens to it was seen, not polled. */
  const declare = async (name: string, transformation: object, more: object = {}, metadata: object = {}) => {
    const destination = { name, create: true, transformation };
    const object = aStaticSecret(NS, name, { path: "db", refreshAfter: "1h", destination, ...more });
    await cluster.apply({ ...object, metadata: { ...object.metadata, ...metadata } });
  };
  const dataOf = async (name: string) => (await place.secret(name))?.data;

  it("renders templates of the declaration and of references, and filters what is left, all at once", async () => {
    await shared(
      "database",
      {
        sourceTemplates: [{ name: "address", text: '{{ get .Secrets "host" | trim }}:5432' }, { text: "helper" }],
        templates: {
          url: { name: "url", text: '{{ .Secrets.user }}:{{ urlquery .Secrets.password }}@{{ template "address" . }}' },
          unused: { name: "unused", text: "not taken" },
        },
        includes: ["^never-there$"],
        excludes: ["^internal"],
      },
      PLATFORM,
    );
    await shared("all", {
      templates: {
        helped: { text: `{{ template "${PLATFORM}/database/1" . }} {{ template "own" . }}` },
        number: { text: "{{ .Metadata.version }} {{ .Metadata.custom_metadata.team }} {{ kindOf .Metadata.version }}" },
      },
      includes: ["ass", "^user$", "^host$"],
      excludes: ["^host$"],
    });
    const transformation = {
      excludeRaw: true,
      templates: {
        user: { name: "own", text: "{{ .Secrets.user | upper }}" },
        about: { text: '{{ get .Labels "tier" }} {{ .Annotations.owner }} {{ .Labels.none }}{{ .WrapData }}' },
      },
      transformationRefs: [
        {
          name: "database",
          namespace: PLATFORM,
          templateRefs: [{ name: "url", keyOverride: "DATABASE_URL" }],
          ignoreIncludes: true,
        },
        { name: "all", ignoreExcludes: true },
      ],
      includes: ["internal"],
    };
    await declare("everything", transformation, {}, { labels: { tier: "gold" }, annotations: { owner: "shop" } });
    await place.synced("everything");
    assert.deepEqual(await dataOf("everything"), {
      DATABASE_URL: `app:${PASSWORD}@db.example:5432`,
      user: "APP",
      about: "gold shop <no value><no value>",
      helped: "helper APP",
      number: "1 shop string",
      password: PASSWORD,
      host: " db.example ",
    });
  });

  it("renders anew when a label of the declaration changes", async () => {
    const path = `/apis/${API}/namespaces/${NS}/vaultstaticsecrets/everything`;
    const patch = { metadata: { labels: { tier: "silver" } } };
    const { status } = await cluster.request("PATCH", path, patch, { contentType: "application/merge-patch+json" });
    assert.equal(status, 200);
    await place.secretThat("everything", (secret) => secret.data.about === "silver shop <no value><no value>");
  });

  it("lease-table 23: carries out the change of a SecretTransformation, and waits for one that is missing", async () => {
    await declare("late", { excludeRaw: true, includes: ["^user$"], transformationRefs: [{ name: "later" }] });
    assert.match(await place.failed("late", "REFERENCE_MISSING"), /SecretTransformation team-a\/later/);
    await shared("later", { templates: { greeting: { text: "hello {{ .Secrets.user }}" } } });
    await place.secretThat("late", ({ data }) => data.greeting === "hello app" && data.user === "app");
    await shared("later", { templates: { greeting: { text: "goodbye {{ .Secrets.user }}" } } });
    await place.secretThat("late", ({ data }) => data.greeting === "goodbye app");
    await place.synced("late");
  });

  it("keeps _raw whatever the filters are, and numbers as Vault wrote them", async () => {
    await world.vault.request("POST", "kv1/numbers", '{"a":1.0,"b":12345678901234567890,"c":"<&>"}');
    const templates = {
      text: { text: "{{ .Secrets.a }} {{ .Secrets.b }} {{ toJson .Secrets.c }} {{ add 1 .Secrets.a }}" },
    };
    await declare("numbers", { templates, excludes: ["."] }, { type: "kv-v1", mount: "kv1", path: "numbers" });
    await place.synced("numbers");
    assert.deepEqual(await dataOf("numbers"), {
      _raw: '{"a":1.0,"b":12345678901234567890,"c":"\\u003c\\u0026\\u003e"}',
      text: '1.0 12345678901234567890 "\\u003c\\u0026\\u003e" 2',
    });
  });

  it("says what is wrong with a template, never what was in it, and keeps the Secret", async () => {
    await declare("broken", { excludeRaw: true, templates: { a: { text: "one {{ .Secrets.password }}" } } });
    await place.synced("broken");
    const before = await place.secret("broken");
    const wrong: readonly (readonly [transformation: object, message: RegExp])[] = [
      [
        { templates: { a: { text: "\n{{ fail .Secrets.password }}" } } },
        /template "team-a\/broken\/a", line 2, column 3, at <fail \.Secrets\.password>/,
      ],
      [{ templates: { a: { text: "{{ if }}" } } }, /template "team-a\/broken\/a", line 1: missing value for if/],
      [{ templates: { a: { text: '{{ env "HOME" }}' } } }, /function "env" not defined/],
      [{ templates: { _raw: { text: "x" } } }, /key '_raw' not permitted in Secret data/],
      [{ excludes: ["ok", "(unclosed"] }, /excludes: "\(unclosed" is no regular expression: missing closing \)/],
      [{ templates: { a: { name: "n", text: "" }, b: { name: "n", text: "" } } }, /two templates have the name "n"/],
      [{ transformationRefs: [{ name: "all", templateRefs: [{ name: "helped" }] }] }, /template name empty/],
      [{ templates: { a: { text: '{{ repeat 2000000 "x" }}' } } }, /writes more than 1048576 bytes/],
      [{ templates: { a: { text: "{{ range until 2000000000 }}{{ end }}" } } }, /more memory|more than 2 s/],
    ];
    for (const [transformation, message] of wrong) {
      await declare("broken", transformation);
      await cluster.waitFor(`a condition that says ${message}`, async () =>
        message.test((await place.conditions("broken")).Ready?.message ?? ""),
      );
    }
    await place.failed("broken", "TRANSFORM_FAILED");
    const events = await place.events("broken");
    assert.ok(events.some(({ type, reason }) => type === "Warning" && reason === "TransformationError"));
    assert.deepEqual(await place.secret("broken"), before);
    await declare("broken", { excludeRaw: true, templates: { a: { text: "two" } } });
    await place.secretThat("broken", ({ data }) => data.a === "two");
    await assertNoLeak(world, engine, [PASSWORD]);
  });

  it("tells on a SecretTransformation that it can't be read", async () => {
    await shared("wrong", { templates: { a: { name: "mine", text: "{{" } } });
    const says = (isSo: (ready: string) => boolean) =>
      cluster.waitFor("its status", async () => {
        const { Ready } = await place.conditions("wrong", "SecretTransformation");
        return isSo(`${Ready?.status} ${Ready?.message}`);
      });
    await says((ready) => /^False TRANSFORM_FAILED: template "mine", line 1: unclosed action/.test(ready));
    await shared("wrong", { templates: { a: { name: "mine", text: "{{ .Secrets.a }}" } } });
    await says((ready) => ready.startsWith("True "));
  });

  it("goes on with all others while templates never end", async () => {
    const endless = "{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}";
    const names = [1, 2, 3].map((at) => `endless-${at}`);
    for (const name of names) await declare(name, { templates: { a: { text: `${endless}${name}` } } });
    await world.vault.putKv("kv", "moving", { user: "one" });
    const templates = { user: { text: "{{ .Secrets.user }}!" } };
    await declare("others", { templates }, { path: "moving", refreshAfter: "5s" });
    await place.secretThat("others", ({ data }) => data.user === "one!");
    await world.vault.putKv("kv", "moving", { user: "two" });
    await place.secretThat("others", ({ data }) => data.user === "two!");
    for (const name of names) assert.match(await place.failed(name, "TRANSFORM_FAILED"), /take more than 2 s/);
    assert.equal((await fetch(`${engine.url}/healthz`)).status, 200);
  });

  it("leaves _raw out of every Secret of a cluster that says so", async () => {
    await place.declare("global", { path: "db" });
    await place.secretThat("global", ({ data }) => "_raw" in data);
    await engine.stop();
    await world.writeFleet(() => ({ globalTransformationOptions: { excludeRaw: true } }));
    engine = await startEngine(world);
    await place.secretThat("global", ({ data }) => !("_raw" in data) && data.user === "app");
  });
});
