import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { KubeObject } from "../harness/index.ts";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import { type Place, placeIn } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { statusThat } from "./support/status-that.ts";
import type { World } from "./support/world.ts";

const NS = "team-a";
const PASSWORD = "Kd5-correct-horse-battery";

describe("what stands in a Secret, and who it belongs to", () => {
  let world: World;
  let engine: RunningEngine;
  let place: Place;

  before(async () => {
    ({ world, place } = await startPlace(NS));
    await world.vault.putKv("kv", "db", { password: PASSWORD });
    engine = await startEngine(world);
  });
  after(() => endAll(engine, world));

  const destination = (name: string, more: object = {}) => ({
    path: "db",
    destination: { name, create: true, ...more },
  });
  const theirs = (name: string, more: object = {}): KubeObject => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: NS },
    ...more,
  });

  it("texts stay bytes; everything else is Go's JSON, with numbers as Vault wrote them; _raw is the whole answer", async () => {
    // kv-v2 itself keeps numbers as floating point ones; kv-v1 keeps what it was given.
    const data = '{"z":"zoë <&>","a":1.0,"b":1e5,"c":12345678901234567890,"d":{"y":[1.10,null,true],"x":"<"},"e":null}';
    await world.vault.request("POST", "kv1/exact", data);
    await place.declare("exact", { type: "kv-v1", mount: "kv1" });
    await place.synced("exact");
    const { _raw, ...fields } = (await place.secret("exact"))?.data ?? {};
    assert.deepEqual(fields, {
      z: "zoë <&>",
      a: "1.0",
      b: "1e5",
      c: "12345678901234567890",
      d: '{"x":"\\u003c","y":[1.10,null,true]}',
      e: "null",
    });
    const sorted = '"a":1.0,"b":1e5,"c":12345678901234567890,"d":{"x":"\\u003c","y":[1.10,null,true]},"e":null';
    assert.equal(_raw, `{${sorted},"z":"zoë \\u003c\\u0026\\u003e"}`);

    const written = await world.vault.write("kv/data/exact", { data: { password: PASSWORD, count: 3 } });
    await place.declare("exact-2", { path: "exact" });
    await place.synced("exact-2");
    const created = `"created_time":"${written.data.created_time}"`;
    const metadata = `{${created},"custom_metadata":null,"deletion_time":"","destroyed":false,"version":1}`;
    assert.deepEqual((await place.secret("exact-2"))?.data, {
      password: PASSWORD,
      count: "3",
      _raw: `{"data":{"count":3,"password":"${PASSWORD}"},"metadata":${metadata}}`,
    });
  });

  it("excludeRaw leaves _raw out, and a field of that name is one like any other", async () => {
    await world.vault.putKv("kv", "named-raw", { _raw: PASSWORD });
    const transformation = { excludeRaw: true };
    await place.declare("named-raw", { destination: { name: "named-raw", create: true, transformation } });
    await place.synced("named-raw");
    assert.deepEqual((await place.secret("named-raw"))?.data, { _raw: PASSWORD });
  });

  it("kv-v1 has its fields in data, and a secret without fields is an empty one", async () => {
    await world.vault.putKv("kv1", "flat", { password: PASSWORD });
    await place.declare("flat", { type: "kv-v1", mount: "kv1" });
    await place.synced("flat");
    assert.deepEqual((await place.secret("flat"))?.data, {
      password: PASSWORD,
      _raw: `{"password":"${PASSWORD}"}`,
    });
    await world.vault.putKv("kv", "empty", {});
    const transformation = { excludeRaw: true };
    await place.declare("empty", { destination: { name: "empty", create: true, transformation } });
    await place.synced("empty");
    assert.deepEqual((await place.secret("empty"))?.data, {});
  });

  it("a pinned version stays, whatever is written after it", async () => {
    await world.vault.putKv("kv", "pinned", { password: `${PASSWORD}-1` });
    await world.vault.putKv("kv", "pinned", { password: `${PASSWORD}-2` });
    await place.declare("pinned", { version: 1 });
    await place.synced("pinned");
    assert.equal((await place.secret("pinned"))?.data.password, `${PASSWORD}-1`);
    await place.declare("pinned", { version: 2 });
    await place.secretThat("pinned", ({ data }) => data.password === `${PASSWORD}-2`);
    await place.declare("pinned", { version: 9 });
    await place.failed("pinned", "VAULT_PATH_MISSING");
    assert.equal((await place.secret("pinned"))?.data.password, `${PASSWORD}-2`);
  });

  it("ours are data, labels, annotations and one owner; the owner's labels win; foreign keys go, foreign labels stay", async () => {
    const labels = { "app.kubernetes.io/managed-by": "someone", team: "a" };
    await place.declare("marked", destination("marked", { labels, annotations: { note: "ours" } }));
    await place.synced("marked");
    const uid = (await place.resource("marked"))?.metadata.uid ?? "";
    const owned = {
      "app.kubernetes.io/managed-by": "hashicorp-vso",
      "app.kubernetes.io/name": "vault-secrets-operator",
      "app.kubernetes.io/component": "secret-sync",
      "secrets.hashicorp.com/vso-ownerRefUID": uid,
    };
    const made = await place.secret("marked");
    assert.deepEqual(made?.labels, { ...owned, team: "a" });
    assert.deepEqual(made?.annotations, { note: "ours" });
    assert.equal(made?.type, "Opaque");
    const apiVersion = "secrets.hashicorp.com/v1beta1";
    assert.deepEqual(made?.ownerReferences, [{ apiVersion, kind: "VaultStaticSecret", name: "marked", uid }]);

    const metadata = { labels: { theirs: "label" }, annotations: { theirs: "annotation" } };
    await place.patchSecret("marked", { metadata, data: { stranger: "eA==" } });
    const mended = await place.secretThat("marked", ({ data }) => data.stranger === undefined);
    assert.deepEqual(mended.labels, { ...owned, team: "a", theirs: "label" });
    assert.deepEqual(mended.annotations, { note: "ours", theirs: "annotation" });
    await place.declare("marked", destination("marked", { labels: { team: "b" } }));
    const changed = await place.secretThat("marked", (secret) => secret.labels.team === "b");
    assert.deepEqual(changed.annotations, { theirs: "annotation" });
  });

  it("a type is set, and another one makes the Secret anew", async () => {
    await world.vault.putKv("kv", "login", { username: "app", password: PASSWORD });
    const spec = (type?: string) => ({ destination: { name: "login", create: true, ...(type && { type }) } });
    await place.declare("login", spec("kubernetes.io/basic-auth"));
    await place.synced("login");
    const before = await place.secret("login");
    assert.equal(before?.type, "kubernetes.io/basic-auth");
    await place.declare("login", spec());
    const anew = await place.secretThat("login", ({ type }) => type === "Opaque");
    assert.notEqual(anew.uid, before.uid);
    assert.equal(anew.data.password, PASSWORD);
    // A type whose keys Vault does not have: the Secret that is there stays.
    await place.declare("login", spec("kubernetes.io/tls"));
    await place.failed("login", "SECRET_REFUSED");
    assert.equal((await place.secret("login"))?.data.password, PASSWORD);
  });

  it("another name moves the Secret", async () => {
    await place.declare("moving", destination("moving-from"));
    await place.synced("moving");
    await place.declare("moving", destination("moving-to"));
    await place.secretThat("moving-to", ({ data }) => data.password === PASSWORD);
    await place.cluster.waitFor("the old one to go", async () => (await place.secret("moving-from")) === undefined);
    await place.synced("moving");
  });

  it("create: false fills a Secret that others made, its data alone, and puts it right at the next refresh", async () => {
    await place.declare("filled", destination("filled", { create: false, labels: { team: "a" } }));
    await place.failed("filled", "SECRET_MISSING");
    const labels = { whose: "theirs" };
    await place.cluster.apply(
      theirs("filled", { metadata: { name: "filled", namespace: NS, labels }, data: { old: "eA==" } }),
    );
    await place.touch("filled");
    await place.synced("filled");
    const filled = await place.secret("filled");
    assert.deepEqual(Object.keys(filled?.data ?? {}).sort(), ["_raw", "password"]);
    assert.deepEqual([filled?.labels, filled?.ownerReferences], [labels, []]);
    await place.patchSecret("filled", { data: { password: "eA==" } });
    await place.secretThat("filled", ({ data }) => data.password === PASSWORD);
    await place.undeclare("filled");
    await statusThat(world, "it to be forgotten", ({ syncs }) => !syncs.some(({ key }) => key.endsWith("/filled")));
    assert.equal((await place.secret("filled"))?.data.password, PASSWORD);
  });

  it("overwrite takes over what has no owner, and never what another declaration owns", async () => {
    await place.cluster.apply(theirs("orphan", { data: { old: "eA==" }, type: "Opaque" }));
    await place.declare("orphan", destination("orphan", { overwrite: true }));
    await place.synced("orphan");
    assert.deepEqual(Object.keys((await place.secret("orphan"))?.data ?? {}).sort(), ["_raw", "password"]);
    await place.declare("second", destination("orphan", { overwrite: true }));
    await place.failed("second", "SECRET_NOT_OURS");
  });

  it("an immutable Secret is kept, and said to be one, until someone deletes it", async () => {
    await world.vault.putKv("kv", "stone", { password: PASSWORD });
    await place.declare("stone");
    await place.synced("stone");
    await place.patchSecret("stone", { immutable: true });
    await world.vault.putKv("kv", "stone", { password: `${PASSWORD}-2` });
    await place.failed("stone", "SECRET_IMMUTABLE");
    assert.equal((await place.secret("stone"))?.data.password, PASSWORD);
    await place.cluster.delete(theirs("stone"));
    await place.secretThat("stone", ({ data }) => data.password === `${PASSWORD}-2`);
    await place.synced("stone");
  });

  it("an immutable Secret whose data stays takes new labels", async () => {
    await place.declare("marble", destination("marble", { labels: { team: "a" } }));
    await place.synced("marble");
    await place.patchSecret("marble", { immutable: true });
    await place.declare("marble", destination("marble", { labels: { team: "b" } }));
    await place.secretThat("marble", ({ labels }) => labels.team === "b");
    await place.synced("marble");
  });

  it("a field that goes from Vault goes from the Secret", async () => {
    await world.vault.putKv("kv", "shrinks", { password: PASSWORD, old: "x" });
    await place.declare("shrinks");
    await place.synced("shrinks");
    assert.ok("old" in ((await place.secret("shrinks"))?.data ?? {}));
    await world.vault.putKv("kv", "shrinks", { password: PASSWORD });
    await place.secretThat("shrinks", ({ data }) => !("old" in data));
    assert.equal((await place.secret("shrinks"))?.data.password, PASSWORD);
  });

  it("create true to false under the same name: labels and owner stay, data is followed, and it goes with its declaration", async () => {
    await world.vault.putKv("kv", "kept", { password: PASSWORD });
    const spec = (create: boolean) => ({ destination: { name: "kept", create } });
    await place.declare("kept", spec(true));
    await place.synced("kept");
    const before = await place.secret("kept");
    await place.declare("kept", spec(false));
    await place.synced("kept");
    assert.deepEqual(await place.secret("kept"), before);
    await world.vault.putKv("kv", "kept", { other: PASSWORD });
    const { data, labels, ownerReferences } = await place.secretThat("kept", (secret) => "other" in secret.data);
    assert.ok(!("password" in data));
    assert.deepEqual([labels, ownerReferences], [before?.labels, before?.ownerReferences]);
    // And back: what the replacement wrote can be dropped again.
    await place.declare("kept", spec(true));
    await place.synced("kept");
    await world.vault.putKv("kv", "kept", { password: PASSWORD });
    await place.secretThat("kept", (secret) => "password" in secret.data && !("other" in secret.data));
    await place.declare("kept", spec(false));
    await place.synced("kept");
    await place.undeclare("kept");
    await place.cluster.waitFor("it to be collected", async () => (await place.secret("kept")) === undefined);
  });

  it("create true to false under another name: the old Secret goes, the other one is filled", async () => {
    await place.declare("lent", destination("lent-own"));
    await place.synced("lent");
    await place.cluster.apply(theirs("lent-theirs"));
    await place.declare("lent", destination("lent-theirs", { create: false }));
    await place.secretThat("lent-theirs", ({ data }) => data.password === PASSWORD);
    await place.cluster.waitFor("the old one to go", async () => (await place.secret("lent-own")) === undefined);
    // What others made is not taken for ours when it should be: create: true needs overwrite.
    await place.declare("lent", destination("lent-theirs"));
    await place.failed("lent", "SECRET_NOT_OURS");
    await place.declare("lent", destination("lent-theirs", { overwrite: true }));
    await place.synced("lent");
    assert.equal((await place.secret("lent-theirs"))?.ownerReferences.length, 1);
  });

  it("another name that is taken: the Secret under the old one stays", async () => {
    await place.cluster.apply(theirs("occupied", { data: { a: "eA==" } }));
    await place.declare("mover", destination("mover-from"));
    await place.synced("mover");
    await place.declare("mover", destination("occupied"));
    await place.failed("mover", "SECRET_NOT_OURS");
    assert.deepEqual((await place.secret("occupied"))?.data, { a: "x" });
    assert.equal((await place.secret("mover-from"))?.data.password, PASSWORD);
  });

  it("overwrite of another type makes the Secret anew", async () => {
    await world.vault.putKv("kv", "basic", { username: "app", password: PASSWORD });
    await place.cluster.apply(theirs("retyped", { data: { a: "eA==" } }));
    const type = "kubernetes.io/basic-auth";
    await place.declare("retyped", {
      path: "basic",
      destination: { name: "retyped", create: true, overwrite: true, type },
    });
    await place.synced("retyped");
    const made = await place.secret("retyped");
    assert.deepEqual([made?.type, made?.data.a, made?.data.password], [type, undefined, PASSWORD]);
  });

  it("kubernetes-rules 6: a second owner that another tool added: the Secret stays as it is from the next change on, until it is ours again", async () => {
    await world.vault.putKv("kv", "shared", { password: PASSWORD });
    await place.declare("shared");
    await place.synced("shared");
    const [tool] = await place.cluster.apply({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "tool", namespace: NS },
    });
    const [own] = (await place.secret("shared"))?.ownerReferences ?? [];
    const added = { apiVersion: "v1", kind: "ConfigMap", name: "tool", uid: tool?.metadata.uid };
    await place.patchSecret("shared", { metadata: { ownerReferences: [own, added] } });
    await world.vault.putKv("kv", "shared", { password: `${PASSWORD}-2` });
    await place.failed("shared", "SECRET_NOT_OURS");
    const left = await place.secret("shared");
    assert.deepEqual([left?.data.password, left?.ownerReferences.length], [PASSWORD, 2]);
    await place.patchSecret("shared", { metadata: { ownerReferences: [own] } });
    await place.touch("shared");
    await place.secretThat("shared", ({ data }) => data.password === `${PASSWORD}-2`);
  });

  it("kubernetes-rules 7: a Secret that a finalizer holds is waited for, and made anew under its name", async () => {
    await place.declare("held", destination("held-1"));
    await place.synced("held");
    await place.patchSecret("held-1", { metadata: { finalizers: ["example.com/hold"] } });
    await place.declare("held", destination("held-2"));
    await place.secretThat("held-2", ({ data }) => data.password === PASSWORD);
    await place.synced("held");
    const going = await place.secret("held-1");
    assert.ok(going, "it is on its way out");
    await place.declare("held", destination("held-1"));
    await place.failed("held", "SECRET_TERMINATING");
    assert.equal((await place.secret("held-2"))?.data.password, PASSWORD, "the one that works stays meanwhile");
    await place.patchSecret("held-1", { metadata: { finalizers: null } });
    await place.touch("held");
    await place.secretThat("held-1", ({ uid }) => uid !== going.uid);
    await place.cluster.waitFor("the other one to go", async () => (await place.secret("held-2")) === undefined);
  });

  it("kubernetes-rules 13: a quota that leaves no room is told, and what it kept back is written once there is room", async () => {
    const namespace = "team-full";
    await world.namespace(place.cluster, namespace);
    const full = placeIn(place.cluster, namespace);
    const quota = async (secrets: string): Promise<void> => {
      const hard = { "count/secrets": secrets };
      await full.cluster.apply({
        apiVersion: "v1",
        kind: "ResourceQuota",
        metadata: { namespace, name: "none" },
        spec: { hard },
      });
      // The controller that would fill in the status does not run in test clusters.
      const status = { hard, used: { "count/secrets": "0" } };
      const path = `/api/v1/namespaces/${namespace}/resourcequotas/none/status`;
      await full.cluster.request("PATCH", path, { status }, { contentType: "application/merge-patch+json" });
    };
    await quota("0");
    await full.cluster.waitFor("the quota to hold", async () => {
      const tried = await full.cluster.request("POST", `/api/v1/namespaces/${namespace}/secrets?dryRun=All`, {
        ...{ apiVersion: "v1", kind: "Secret", metadata: { name: "tried", namespace } },
      });
      return tried.status === 403;
    });
    await full.declare("db", destination("db"));
    assert.match(await full.failed("db", "QUOTA_EXCEEDED"), /raise the quota/);
    assert.equal(await full.secret("db"), undefined);
    await quota("10");
    await full.cluster.waitFor("it to be written", async () => {
      await full.touch("db");
      return full.secret("db");
    });
    await full.synced("db");
  });

  it("and nothing of it is seen elsewhere", async () => {
    assert.deepEqual(
      engine.logs.filter(({ level }) => level === "error"),
      [],
    );
    await assertNoLeak(world, engine, [PASSWORD, "12345678901234567890"]);
  });
});
