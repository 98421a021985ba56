import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../harness/index.ts";
import { AT_ONCE_MS, failForLong } from "./support/at-once.ts";
import { type LogLine, type RunningEngine, startEngine } from "./support/engine.ts";
import { sum } from "./support/metric-sums.ts";
import type { Place } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { HMAC_KEY_NAME } from "./support/vso.ts";
import { aStaticSecret, authMount, OPERATOR_NAMESPACE, ROLE, type World } from "./support/world.ts";

const NS = "team-a";
const API = "secrets.hashicorp.com/v1beta1";
/** Prompt: far below every refresh and recovery by time that a test could mistake for it. */
const PROMPT_MS = AT_ONCE_MS;
/** An API server that starts again, and keyferry's own pauses meanwhile: only what it watches can be mistaken for it. */
const AFTER_RESTART_MS = 90_000;
/** Long enough for an event to come back and be acted upon. */
const QUIET_MS = 2_500;
const FINALIZER = "vaultstaticsecret.secrets.hashicorp.com/finalizer";

describe("what happens in a cluster is seen at once", () => {
  let world: World;
  let cluster: Cluster;
  let engine: RunningEngine;
  let place: Place;

  before(async () => {
    ({ world, cluster, place } = await startPlace(NS));
    engine = await startEngine(world);
    // Made once for a cluster that has none, and read once by the first sync: no part of what is counted here.
    const key = { apiVersion: "v1", kind: "Secret", namespace: OPERATOR_NAMESPACE, name: HMAC_KEY_NAME };
    await cluster.waitFor("the key of the MACs", () => cluster.get(key));
    await synced("first");
  });
  after(() => endAll(engine, world));

  const synced = async (name: string, spec: Readonly<Record<string, unknown>> = {}): Promise<void> => {
    await world.vault.putKv("kv", name, { password: "one" });
    await place.declare(name, { refreshAfter: "10m", ...spec });
    await place.synced(name);
  };
  const seen = (event: string, name: string) =>
    engine.logs.filter((line) => line.event === event && line.key === `one/VaultStaticSecret/${NS}/${name}`);

  /** How often the engine did this on the lease table. */
  const operations = async (operation: string) =>
    sum(await engine.metrics(), "keyferry_store_operations_total", { operation });

  /** Stops Vault, lets a sync begin, and resolves when it has claimed its row and waits. */
  async function heldUp(name: string): Promise<void> {
    world.vault.pause();
    const before = await operations("claim");
    await place.touch(name);
    await cluster.waitFor("the claim", async () => (await operations("claim")) > before);
  }

  /** What the API server counted of Secrets while something was done. */
  async function secretCalls(work: () => Promise<void>) {
    const before = await cluster.metrics();
    await work();
    const after = await cluster.metrics();
    const count = (verb: string, code?: string) => {
      const filter = { resource: "secrets", verb, ...(code === undefined ? {} : { code }) };
      return after.count(filter) - before.count(filter);
    };
    return { apply: count("APPLY"), patch: count("PATCH"), found: count("GET", "200"), post: count("POST") };
  }

  it("lease-table 22: our own writes come back as events and cause no call: ten Secrets are ten applies and no GET", async () => {
    const names = Array.from({ length: 10 }, (_, index) => `own-${index}`);
    const calls = await secretCalls(async () => {
      await Promise.all(names.map((name) => synced(name)));
      await sleep(QUIET_MS);
    });
    assert.deepEqual(calls, { apply: 10, patch: 0, found: 0, post: 0 });
    assert.deepEqual(
      engine.logs.filter(({ event }) => event === "drift-seen"),
      [],
    );
  });

  it("kubernetes-rules 10: an annotation by someone else is no drift", async () => {
    await synced("noted");
    const calls = await secretCalls(async () => {
      await place.patchSecret("noted", { metadata: { annotations: { "example.com/seen": "yes" } } });
      await sleep(QUIET_MS);
    });
    assert.deepEqual(calls, { apply: 0, patch: 1, found: 0, post: 0 });
    assert.equal((await place.secret("noted"))?.annotations["example.com/seen"], "yes");
  });

  it("lease-table 22: a label taken off, a key that was added, a value that was changed, a Secret deleted: all are mended", async () => {
    await synced("mended");
    const isWhole = (secret: { labels: object; data: object }) =>
      "app.kubernetes.io/managed-by" in secret.labels && Object.keys(secret.data).sort().join() === "_raw,password";
    const { uid } = await place.secretThat("mended", isWhole);
    await place.patchSecret("mended", { metadata: { labels: { "app.kubernetes.io/managed-by": null } } });
    await place.secretThat("mended", isWhole, PROMPT_MS);
    await place.patchSecret("mended", { data: { own: "aGFjaw==" } });
    await place.secretThat("mended", isWhole, PROMPT_MS);
    await place.patchSecret("mended", { data: { password: "aGFjaw==" } });
    await place.secretThat("mended", ({ data }) => data.password === "one", PROMPT_MS);
    await cluster.delete({ apiVersion: "v1", kind: "Secret", namespace: NS, name: "mended" });
    await place.secretThat("mended", (secret) => secret.uid !== uid && isWhole(secret), PROMPT_MS);
  });

  it("lease-table 22: a hand edit while the sync is being worked on is not lost", async () => {
    await Promise.all([synced("claimed"), synced("unclaimed")]);
    await heldUp("claimed");
    await place.patchSecret("claimed", { data: { password: "aGFjaw==" } });
    // Nothing tells of an edit that has to wait. One watch brings Secrets in their order: this one comes after it.
    await place.patchSecret("unclaimed", { data: { password: "aGFjaw==" } });
    await cluster.waitFor("both edits to be seen", async () => seen("drift-seen", "unclaimed").length > 0);
    world.vault.resume();
    for (const name of ["claimed", "unclaimed"])
      await place.secretThat(name, ({ data }) => data.password === "one", PROMPT_MS);
  });

  it("lease-table 5: an edit while the sync is being worked on is carried out", async () => {
    await synced("rewritten");
    await world.vault.putKv("kv", "third", { password: "three" });
    await heldUp("rewritten");
    const before = await operations("declare");
    await place.declare("rewritten", { path: "third", refreshAfter: "10m" });
    await cluster.waitFor("the edit to be seen", async () => (await operations("declare")) > before);
    world.vault.resume();
    await place.secretThat("rewritten", ({ data }) => data.password === "three", PROMPT_MS);
    await place.synced("rewritten", PROMPT_MS);
  });

  it("lease-table 22: a Secret that is collected with its declaration is not made anew", async () => {
    await synced("collected");
    const calls = await secretCalls(async () => {
      await place.undeclare("collected");
      const isCleaned = ({ event, key }: LogLine) =>
        event === "declaration-cleaned-up" && String(key).includes(`${NS}/collected#`);
      await cluster.waitFor("it to go", async () => engine.logs.some(isCleaned), PROMPT_MS);
    });
    assert.equal(calls.apply, 0);
    assert.equal(await place.secret("collected"), undefined);
  });

  it("lease-table 4: a declaration that is deleted and made anew at once ends with the new one's Secret", async () => {
    await synced("reborn");
    await world.vault.putKv("kv", "reborn-2", { password: "two" });
    await place.undeclare("reborn");
    await place.declare("reborn", { path: "reborn-2", refreshAfter: "10m" });
    await place.secretThat("reborn", ({ data }) => data.password === "two", PROMPT_MS);
    await place.synced("reborn", PROMPT_MS);
    const owner = (await place.resource("reborn"))?.metadata.uid;
    assert.equal((await place.secret("reborn"))?.ownerReferences[0]?.uid, owner);
    await sleep(QUIET_MS + 2_000);
    assert.equal(
      (await place.secret("reborn"))?.ownerReferences[0]?.uid,
      owner,
      "the old one's clean-up left it alone",
    );
  });

  it("kubernetes-rules 16: an edit that changes no data is acknowledged, without a write to the Secret and without an event", async () => {
    await synced("acknowledged");
    const before = await place.secret("acknowledged");
    // Told after the status.
    const told = async () => (await place.events("acknowledged")).length > 0;
    await cluster.waitFor("the event of the first write", told);
    const events = await place.events("acknowledged");
    await place.declare("acknowledged", { refreshAfter: "20m" });
    await place.synced("acknowledged", PROMPT_MS);
    const { Ready } = await place.conditions("acknowledged");
    assert.equal(Ready?.observedGeneration, 2);
    assert.equal((await place.secret("acknowledged"))?.resourceVersion, before?.resourceVersion);
    assert.deepEqual(await place.events("acknowledged"), events);
    // Lines are written together, a moment later.
    await cluster.waitFor("its line of log", async () => seen("secret-written", "acknowledged").length > 0);
    assert.equal(seen("secret-written", "acknowledged").length, 1);
  });

  it("lease-table 23: a VaultAuth that comes later, changes and goes is felt at once by every sync that names it", async () => {
    const auth = (role: string, connection?: string) => ({
      apiVersion: API,
      kind: "VaultAuth",
      metadata: { name: "own", namespace: NS },
      spec: {
        method: "kubernetes",
        mount: authMount(cluster),
        kubernetes: { role, serviceAccount: "app" },
        ...(connection === undefined ? {} : { vaultConnectionRef: connection }),
      },
    });
    const names = ["auth-1", "auth-2"];
    const each = (work: (name: string) => Promise<unknown>) => Promise.all(names.map(work));
    await each((name) => world.vault.putKv("kv", name, { password: "one" }));
    await each((name) => place.declare(name, { vaultAuthRef: "own", refreshAfter: "10m" }));
    await each((name) => place.failed(name, "REFERENCE_MISSING"));
    await failForLong(world, place, names);
    await cluster.apply(auth(ROLE));
    await each((name) => place.synced(name, PROMPT_MS));
    await cluster.apply(auth("nobody"));
    await each((name) => place.failed(name, "VAULT_LOGIN_REFUSED", undefined));
    await cluster.apply(auth(ROLE, "own"));
    await each((name) => place.failed(name, "REFERENCE_MISSING"));
    await failForLong(world, place, names);
    const connection = { apiVersion: API, kind: "VaultConnection", metadata: { name: "own", namespace: NS } };
    await cluster.apply({ ...connection, spec: { address: world.vault.address } });
    await each((name) => place.synced(name, PROMPT_MS));
    await cluster.delete(auth(ROLE));
    await each((name) => place.failed(name, "REFERENCE_MISSING"));
    await each((name) => place.secretThat(name, ({ data }) => data.password === "one"));
    await each((name) => place.undeclare(name));
  });

  it("finalizers that VSO left are honoured and taken off, and none is added", async () => {
    await synced("plain");
    assert.equal((await place.resource("plain"))?.metadata.finalizers, undefined);
    await world.vault.putKv("kv", "held", { password: "one" });
    const declared = aStaticSecret(NS, "held");
    await cluster.apply({ ...declared, metadata: { ...declared.metadata, finalizers: [FINALIZER] } });
    await place.synced("held");
    const auth = {
      apiVersion: API,
      kind: "VaultAuth",
      metadata: { name: "held", namespace: NS, finalizers: ["vaultauth.secrets.hashicorp.com/finalizer"] },
      spec: { method: "kubernetes", mount: "m", kubernetes: { role: "r", serviceAccount: "app" } },
    };
    await cluster.apply(auth);
    await cluster.delete(auth);
    await place.undeclare("held");
    await cluster.waitFor("the VaultAuth to go", async () => (await cluster.get(auth)) === undefined, PROMPT_MS);
    await cluster.waitFor("the sync to go", async () => (await place.resource("held")) === undefined, PROMPT_MS);
    assert.equal(await place.secret("held"), undefined, "the Secret went before the finalizer");
  });

  it("lease-table 19: a restart watches from where it was, and lists nothing", async () => {
    assert.equal(await engine.stop(), 0);
    const before = await cluster.metrics();
    engine = await startEngine(world);
    await synced("after-restart");
    const after = await cluster.metrics();
    const lists = (resource: string) =>
      after.count({ verb: "LIST", resource }) - before.count({ verb: "LIST", resource });
    const listed = ["vaultstaticsecrets", "vaultauths", "vaultpkisecrets", "secrets"].map(lists);
    assert.deepEqual(listed, [0, 0, 0, 0]);
    assert.ok(lists("vaultconnections") <= 1, "the probe for a restored cluster");
    assert.deepEqual(
      engine.logs.filter(({ event }) => event === "kind-listed"),
      [],
    );
  });

  it("lease-table 19: after an API server restart, when cursors are too old, everything is listed and nothing is missed", async () => {
    await Promise.all([synced("old-kept"), synced("old-gone")]);
    await engine.kill();
    await place.undeclare("old-gone");
    await world.vault.putKv("kv", "old-made", { password: "one" });
    await place.declare("old-made", { refreshAfter: "10m" });
    await cluster.restart();
    engine = await startEngine(world);
    await place.synced("old-made", AFTER_RESTART_MS);
    await cluster.waitFor("it to go", async () => (await place.secret("old-gone")) === undefined, AFTER_RESTART_MS);
    // Said at the end of a list, whose rows are worked on from its first page.
    const isListed = ({ event, kind }: LogLine) => event === "kind-listed" && kind === "VaultStaticSecret";
    const hasListed = async () => engine.logs.some(isListed);
    await cluster.waitFor("a list, since the cursor was too old", hasListed, AFTER_RESTART_MS);

    await cluster.restart();
    await place.declare("old-later", { path: "old-made", refreshAfter: "10m" });
    await place.synced("old-later", AFTER_RESTART_MS);
    assert.equal(engine.logs.filter(({ event }) => event.endsWith("-crashed")).length, 0);
  });
});
