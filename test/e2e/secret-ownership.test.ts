import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { KubeObject } from "../harness/index.ts";
import { aWorkload } from "../workloads.ts";
import { dataDirOf, keyferry, type RunningEngine, startEngine } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import type { Place, SecretView } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import type { World } from "./support/world.ts";

const NS = "team-a";
const PASSWORD = "Ow7-correct-horse-battery";
const OTHER = "Ow8-staple-of-another";
const API = "secrets.hashicorp.com/v1beta1";
const UID_LABEL = "secrets.hashicorp.com/vso-ownerRefUID";
/** Nothing comes by itself in a test's time: what happens was seen. */
const SELDOM = "12h";

describe("whose Secret it is, and what is put back", () => {
  let world: World;
  let engine: RunningEngine;
  let place: Place;

  before(async () => {
    ({ world, place } = await startPlace(NS));
    await world.vault.putKv("kv", "db", { password: PASSWORD });
    engine = await startEngine(world);
  });
  after(() => endAll(engine, world));

  const declare = (name: string, secret = name, more: object = {}) =>
    place.declare(name, { path: "db", refreshAfter: SELDOM, destination: { name: secret, create: true, ...more } });
  const uidOf = async (name: string): Promise<string> => (await place.resource(name))?.metadata.uid ?? "";
  const referenceTo = async (name: string) => ({
    ...{ apiVersion: API, kind: "VaultStaticSecret", name },
    uid: await uidOf(name),
  });
  const owners = (secret: SecretView | undefined) => secret?.ownerReferences.map(({ name }) => name);
  const path = (name = "") => `/api/v1/namespaces/${NS}/secrets/${name}`;
  const stored = (name: string) => place.cluster.get({ apiVersion: "v1", kind: "Secret", namespace: NS, name });
  const aTool = async (name: string) => {
    const metadata = { name, namespace: NS };
    const [tool] = await place.cluster.apply({ apiVersion: "v1", kind: "ConfigMap", metadata });
    return { apiVersion: "v1", kind: "ConfigMap", name, uid: tool?.metadata.uid };
  };
  /** As it comes out of a backup: its labels and its data of then, and nobody that owns it. */
  const restore = async (backup: KubeObject, labels = backup.metadata.labels): Promise<SecretView> => {
    const metadata = { name: backup.metadata.name, namespace: NS, labels };
    const data = { password: Buffer.from("of last week").toString("base64") };
    const body = { apiVersion: "v1", kind: "Secret", type: backup.type, metadata, data };
    const { status, text } = await place.cluster.request("POST", path(), body);
    assert.equal(status, 201, text);
    return place.secretThat(String(backup.metadata.name), () => true);
  };
  const cleaned = (name: string): boolean =>
    engine.logs.some(({ event, key }) => {
      return event === "declaration-cleaned-up" && String(key).split("#")[0]?.endsWith(`/${name}`);
    });
  const stopped = async (work: () => Promise<unknown>): Promise<void> => {
    assert.equal(await engine.stop(), 0, engine.output().slice(-2_000));
    await work();
    engine = await startEngine(world);
  };

  describe("kubernetes-rules 6: owner references are declared state", () => {
    it("taken off they are put back, and what is edited by hand then is mended", async () => {
      await declare("nulled");
      await place.synced("nulled");
      const own = await referenceTo("nulled");
      await place.patchSecret("nulled", { metadata: { ownerReferences: null } });
      await place.secretThat("nulled", ({ ownerReferences }) => ownerReferences.length === 1);
      await place.patchSecret("nulled", { metadata: { ownerReferences: null }, data: { password: "eA==" } });
      const mended = await place.secretThat("nulled", ({ data }) => data.password === PASSWORD);
      assert.deepEqual(mended.ownerReferences, [own]);
      await place.synced("nulled");
      await place.undeclare("nulled");
      await place.cluster.waitFor("it to go", async () => (await place.secret("nulled")) === undefined);
    });

    it("taken off while nobody was at work, with the owner's label: known by what was recorded", async () => {
      await declare("unmarked");
      await place.synced("unmarked");
      const before = await place.secret("unmarked");
      const metadata = { ownerReferences: null, labels: { [UID_LABEL]: null } };
      await stopped(() => place.patchSecret("unmarked", { metadata, data: { password: "eA==" } }));
      const mended = await place.secretThat("unmarked", ({ data }) => data.password === PASSWORD);
      assert.deepEqual(
        [mended.uid, mended.labels, mended.ownerReferences],
        [before?.uid, before?.labels, before?.ownerReferences],
      );
    });

    it("taken off together with all labels", async () => {
      await declare("bare");
      await place.synced("bare");
      const before = await place.secret("bare");
      const none = Object.fromEntries(Object.keys(before?.labels ?? {}).map((label) => [label, null]));
      await place.patchSecret("bare", {
        metadata: { ownerReferences: null, labels: none },
        data: { password: "eA==" },
      });
      const mended = await place.secretThat("bare", ({ data }) => data.password === PASSWORD);
      assert.deepEqual([mended.labels, mended.ownerReferences], [before?.labels, before?.ownerReferences]);
    });

    it("one that was made a controller's is plain again", async () => {
      await declare("controlled");
      await place.synced("controlled");
      const own = await referenceTo("controlled");
      await place.patchSecret("controlled", { metadata: { ownerReferences: [{ ...own, controller: true }] } });
      const plain = await place.secretThat("controlled", ({ ownerReferences: [only] }) => !only?.controller);
      assert.deepEqual(plain.ownerReferences, [own]);
    });

    it("names of nobody in their place: the collector takes the Secret, and it is made anew", async () => {
      await declare("bogus");
      await place.synced("bogus");
      const before = await place.secret("bogus");
      const nobody = { ...(await referenceTo("bogus")), name: "nobody", uid: "11111111-2222-3333-4444-555555555555" };
      await place.patchSecret("bogus", { metadata: { ownerReferences: [nobody] } });
      const own = await referenceTo("bogus");
      const now = await place.secretThat("bogus", ({ ownerReferences: [only] }) => only?.uid === own.uid);
      assert.equal(now.data.password, before?.data.password);
    });

    it("a controller of another kind keeps it: it is told, and what is advised helps", async () => {
      await declare("theirs");
      await place.synced("theirs");
      const tool = { ...(await aTool("their-tool")), controller: true };
      await place.patchSecret("theirs", { metadata: { ownerReferences: [tool] }, data: { password: "eA==" } });
      const message = await place.failed("theirs", "SECRET_NOT_OURS");
      assert.match(message, /ConfigMap their-tool.*remove those references/);
      assert.doesNotMatch(message, /overwrite: true/);
      await declare("theirs", "theirs", { overwrite: true });
      await place.cluster.waitFor("that to be judged", async () => {
        const [resource, { Ready }] = [await place.resource("theirs"), await place.conditions("theirs")];
        return Ready?.observedGeneration === resource?.metadata.generation;
      });
      assert.deepEqual((await place.secret("theirs"))?.data.password, "x");
      await place.patchSecret("theirs", { metadata: { ownerReferences: null } });
      await place.secretThat("theirs", ({ data }) => data.password === PASSWORD);
      await place.synced("theirs");
    });

    it("a Secret is released by --cascade=orphan, also where the collector has not come to it yet", async () => {
      await declare("releasing");
      await place.synced("releasing");
      const before = await place.secret("releasing");
      const { controllers } = place.cluster.servers;
      await controllers.stop();
      const resource = { apiVersion: API, kind: "VaultStaticSecret", namespace: NS, name: "releasing" };
      await place.cluster.delete(resource, { propagationPolicy: "Orphan" });
      await place.cluster.waitFor("the clean-up", async () => cleaned("releasing"));
      assert.deepEqual(await place.secret("releasing"), before);
      await controllers.start();
      await place.cluster.waitFor("the declaration to go", async () => !(await place.resource("releasing")));
      const left = await place.secret("releasing");
      assert.deepEqual([left?.uid, left?.ownerReferences], [before?.uid, []]);
    });

    it("a declaration that is deleted with --cascade=orphan releases its Secret, and one of its name takes it back", async () => {
      await declare("orphaned");
      await place.synced("orphaned");
      const before = await place.secret("orphaned");
      const resource = { apiVersion: API, kind: "VaultStaticSecret", namespace: NS, name: "orphaned" };
      await place.cluster.delete(resource, { propagationPolicy: "Orphan" });
      await place.cluster.waitFor("the declaration to go", async () => !(await place.resource("orphaned")));
      await place.cluster.waitFor("the clean-up", async () => cleaned("orphaned"));
      const left = await place.secret("orphaned");
      assert.deepEqual([left?.uid, left?.ownerReferences, left?.data], [before?.uid, [], before?.data]);
      await place.patchSecret("orphaned", { data: { password: "eA==" } });
      await declare("orphaned");
      const back = await place.secretThat("orphaned", ({ data }) => data.password === PASSWORD);
      assert.deepEqual([back.uid, back.ownerReferences], [before?.uid, [await referenceTo("orphaned")]]);
    });
  });

  describe("a Secret out of a backup, without owner references", () => {
    it("is taken back, as it stands", async () => {
      await declare("restored");
      await place.synced("restored");
      const backup = await stored("restored");
      assert.ok(backup);
      let made: SecretView | undefined;
      await stopped(async () => {
        await place.cluster.delete(backup);
        made = await restore(backup);
      });
      const back = await place.secretThat("restored", ({ data }) => data.password === PASSWORD);
      assert.deepEqual([back.uid, back.ownerReferences], [made?.uid, [await referenceTo("restored")]]);
      await place.synced("restored");
    });

    it("is taken back by a declaration that was made anew as well, with overwrite and without", async () => {
      for (const more of [{}, { overwrite: true }]) {
        await declare("reborn", "reborn", more);
        await place.synced("reborn");
        const backup = await stored("reborn");
        assert.ok(backup);
        await place.undeclare("reborn");
        await place.cluster.waitFor("it to go", async () => (await place.secret("reborn")) === undefined);
        const made = await restore(backup);
        await declare("reborn", "reborn", more);
        const back = await place.secretThat("reborn", ({ data }) => data.password === PASSWORD);
        assert.deepEqual([back.uid, owners(back)], [made.uid, ["reborn"]]);
        await place.synced("reborn");
        await place.undeclare("reborn");
        await place.cluster.waitFor("it to go again", async () => (await place.secret("reborn")) === undefined);
      }
    });

    it("without our labels it is somebody's: overwrite takes it, as the message says", async () => {
      const metadata = { name: "plain", namespace: NS };
      await place.cluster.apply({ apiVersion: "v1", kind: "Secret", metadata, data: { a: "eA==" } });
      await declare("plain");
      assert.match(await place.failed("plain", "SECRET_NOT_OURS"), /overwrite: true/);
      await declare("plain", "plain", { overwrite: true });
      await place.synced("plain");
      assert.equal((await place.secret("plain"))?.data.password, PASSWORD);
      await place.touch("plain");
      await place.synced("plain");
    });

    it("without our labels and with an owner it is that owner's, whatever overwrite says; no advice that would not help", async () => {
      const metadata = { name: "apps", namespace: NS, ownerReferences: [await aTool("an-app")] };
      await place.cluster.apply({ apiVersion: "v1", kind: "Secret", metadata, data: { a: "eA==" } });
      await declare("apps", "apps", { overwrite: true });
      assert.doesNotMatch(await place.failed("apps", "SECRET_NOT_OURS"), /set destination.overwrite/);
      assert.deepEqual((await place.secret("apps"))?.data, { a: "x" });
    });
  });

  describe("a declaration that is renamed, with the same destination", () => {
    const rotate = async (name: string, secret: string) => {
      await world.vault.putKv("kv", name, { password: OTHER });
      await place.declare(name, { refreshAfter: SELDOM, destination: { name: secret, create: true } });
    };

    it("the new one stands beside the old one; when that goes the Secret stays, and is the new one's", async () => {
      await declare("old", "renamed");
      await place.synced("old");
      const before = await place.secret("renamed");
      await rotate("new", "renamed");
      assert.match(await place.failed("new", "SECRET_NOT_OURS"), /VaultStaticSecret old still exists/);
      const both = await place.secret("renamed");
      assert.deepEqual([both?.data, both?.labels, owners(both)], [before?.data, before?.labels, ["old", "new"]]);
      await place.undeclare("old");
      const after = await place.secretThat("renamed", ({ data }) => data.password === OTHER);
      assert.equal(after.uid, before?.uid, "it was never away");
      await place.secretThat("renamed", (secret) => owners(secret)?.join() === "new");
      assert.equal((await place.secret("renamed"))?.labels[UID_LABEL], await uidOf("new"));
      await place.synced("new");
      await place.patchSecret("renamed", { metadata: { ownerReferences: null }, data: { password: "eA==" } });
      await place.secretThat("renamed", ({ data }) => data.password === OTHER);
      await place.undeclare("new");
      await place.cluster.waitFor(
        "it to go with the new one",
        async () => (await place.secret("renamed")) === undefined,
      );
    });

    it("the same while nobody was at work: the new one finds it, or makes it anew", async () => {
      await declare("before", "overnight");
      await place.synced("before");
      await stopped(async () => {
        await rotate("after", "overnight");
        await place.undeclare("before");
      });
      await place.secretThat("overnight", ({ data }) => data.password === OTHER);
      await place.synced("after");
    });

    it("all in one go: it is the new one's, sooner than any back-off", async () => {
      await declare("one-go", "in-one-go");
      await place.synced("one-go");
      await rotate("one-go-2", "in-one-go");
      await place.undeclare("one-go");
      await place.secretThat(
        "in-one-go",
        ({ data, ...secret }) => data.password === OTHER && owners({ data, ...secret })?.join() === "one-go-2",
      );
      await place.synced("one-go-2");
    });

    it("the old one is held by a finalizer that VSO left, or goes in the foreground, or as an orphan's owner: the Secret stays", async () => {
      const finalizers = ["vaultstaticsecret.secrets.hashicorp.com/finalizer"];
      for (const [at, how] of ([undefined, "Foreground", "Orphan"] as const).entries()) {
        const [old, next, secret] = [`held-${at}`, `next-${at}`, `held-secret-${at}`];
        await declare(old, secret);
        if (!how) {
          const resource = `/apis/${API}/namespaces/${NS}/vaultstaticsecrets/${old}`;
          const contentType = "application/merge-patch+json";
          await place.cluster.request("PATCH", resource, { metadata: { finalizers } }, { contentType });
        }
        await place.synced(old);
        const before = await place.secret(secret);
        await rotate(next, secret);
        await place.failed(next, "SECRET_NOT_OURS");
        const reference = { apiVersion: API, kind: "VaultStaticSecret", namespace: NS, name: old };
        await place.cluster.delete(reference, how ? { propagationPolicy: how } : {});
        await place.cluster.waitFor(`${old} to go`, async () => (await place.resource(old)) === undefined);
        const after = await place.secretThat(
          secret,
          (found) => owners(found)?.join() === next && found.data.password === OTHER,
        );
        assert.equal(after.uid, before?.uid, how ?? "finalizer");
        await place.synced(next);
      }
    });

    it("workloads of the new one are restarted if the data is another, and not if it is the same", async () => {
      const target = (name: string) => ({ kind: "Deployment" as const, name });
      const generation = async (name: string) =>
        (await place.cluster.get(aWorkload(NS, target(name))))?.metadata.generation;
      for (const [name, from] of [
        ["same", "db"],
        ["changed", "rolled"],
      ] as const) {
        await world.vault.putKv("kv", "rolled", { password: OTHER });
        await place.cluster.apply(aWorkload(NS, target(name)));
        await declare(`${name}-old`, `${name}-secret`);
        await place.synced(`${name}-old`);
        const rolloutRestartTargets = [target(name)];
        const destination = { name: `${name}-secret`, create: true };
        await place.declare(`${name}-new`, { path: from, refreshAfter: SELDOM, destination, rolloutRestartTargets });
        await place.failed(`${name}-new`, "SECRET_NOT_OURS");
        await place.undeclare(`${name}-old`);
        await place.synced(`${name}-new`, 60_000);
      }
      await place.cluster.waitFor("the restart", async () => ((await generation("changed")) ?? 0) > 1, 60_000);
      assert.equal(await generation("same"), 1);
    });

    it("a third one, which found no room beside them, is woken when the Secret goes", async () => {
      await declare("first", "wanted");
      await place.synced("first");
      await declare("second", "wanted");
      await place.failed("second", "SECRET_NOT_OURS");
      await rotate("third", "wanted");
      await place.failed("third", "SECRET_NOT_OURS");
      assert.deepEqual(owners(await place.secret("wanted")), ["first", "second"]);
      await Promise.all(["first", "second"].map((name) => place.undeclare(name)));
      await place.secretThat(
        "wanted",
        (secret) => owners(secret)?.join() === "third" && secret.data.password === OTHER,
      );
      await place.synced("third");
    });

    it("the old one takes another destination: the Secret is left to the new one", async () => {
      await declare("mover", "moved-from");
      await place.synced("mover");
      const before = await place.secret("moved-from");
      await rotate("moves-in", "moved-from");
      await place.failed("moves-in", "SECRET_NOT_OURS");
      await declare("mover", "moved-to");
      const now = await place.secretThat("moved-from", ({ data }) => data.password === OTHER);
      assert.deepEqual([now.uid, owners(now)], [before?.uid, ["moves-in"]]);
      await place.synced("moves-in");
      await place.synced("mover");
      assert.deepEqual(owners(await place.secret("moved-to")), ["mover"]);
    });

    it("the old one, kept from its new destination, comes back to a Secret that is the new one's meanwhile: it waits there", async () => {
      const metadata = { name: "taken-place", namespace: NS };
      await place.cluster.apply({ apiVersion: "v1", kind: "Secret", metadata, data: { a: "eA==" } });
      await declare("stuck", "left-place");
      await place.synced("stuck");
      await declare("stuck", "taken-place");
      await place.failed("stuck", "SECRET_NOT_OURS");
      await rotate("newer", "left-place");
      await place.failed("newer", "SECRET_NOT_OURS");
      await place.patchSecret("left-place", { metadata: { ownerReferences: null } });
      await place.touch("newer");
      await place.secretThat("left-place", ({ data }) => data.password === OTHER);
      await place.synced("newer");
      await declare("stuck", "left-place");
      const waits = () =>
        place.cluster.waitFor("it to wait", async () => {
          const { Ready } = await place.conditions("stuck");
          return Ready?.message.includes("VaultStaticSecret newer still exists");
        });
      await waits();
      // Once to stand beside, and once more with its reference there.
      for (const _ of [1, 2]) {
        const key = `one/VaultStaticSecret/${NS}/stuck`;
        const ran = await keyferry(["sync", key, "--wait", "--data-dir", dataDirOf(world)]);
        assert.equal(ran.code, 1, ran.stderr);
        assert.deepEqual(owners(await place.secret("left-place")), ["newer", "stuck"]);
      }
      await waits();
      const { data, labels } = await place.secretThat("left-place", () => true);
      assert.deepEqual([data.password, labels[UID_LABEL]], [OTHER, await uidOf("newer")]);
    });

    it("the new one thinks better of it: its reference goes, and the old one's stays alone", async () => {
      await declare("stays", "kept");
      await place.synced("stays");
      await declare("leaves", "kept");
      await place.failed("leaves", "SECRET_NOT_OURS");
      await declare("leaves", "its-own");
      await place.synced("leaves");
      await place.secretThat("kept", (secret) => owners(secret)?.join() === "stays");
      await declare("guest", "kept");
      await place.failed("guest", "SECRET_NOT_OURS");
      assert.deepEqual(owners(await place.secret("kept")), ["stays", "guest"]);
      await place.undeclare("guest");
      await place.secretThat("kept", (secret) => owners(secret)?.join() === "stays");
      assert.equal((await place.secret("kept"))?.data.password, PASSWORD);
      await place.synced("stays");
    });
  });

  describe("a tenant must not capture the Secret of a declaration that is there", () => {
    it("two live ones: the first one writes, follows and mends; the second has its reference and no more", async () => {
      await world.vault.putKv("kv", "victim", { password: PASSWORD });
      await world.vault.putKv("kv", "taker", { password: OTHER });
      await place.declare("victim");
      await place.synced("victim");
      const destination = { name: "victim", create: true, overwrite: true };
      await place.declare("taker", { destination });
      assert.doesNotMatch(await place.failed("taker", "SECRET_NOT_OURS"), /overwrite/);
      const victims = await uidOf("victim");
      await world.vault.putKv("kv", "victim", { password: `${PASSWORD}-2` });
      await place.secretThat("victim", ({ data }) => data.password === `${PASSWORD}-2`);
      // Whatever is taken off while it waits, the first one has back.
      const takers = await referenceTo("taker");
      const none = Object.fromEntries(
        Object.keys((await place.secret("victim"))?.labels ?? {}).map((name) => [name, null]),
      );
      for (const metadata of [
        { ownerReferences: null },
        { ownerReferences: [takers] },
        { labels: none },
        { ownerReferences: null, labels: none },
      ]) {
        await place.patchSecret("victim", { metadata, data: { password: "eA==" } });
        await Promise.all(["victim", "taker"].map((name) => place.touch(name)));
        const mended = await place.secretThat(
          "victim",
          ({ data, labels }) => data.password !== "x" && labels[UID_LABEL] !== undefined,
        );
        assert.deepEqual(
          [mended.data.password, mended.labels[UID_LABEL]],
          [`${PASSWORD}-2`, victims],
          JSON.stringify(metadata),
        );
        await place.synced("victim");
        await place.failed("taker", "SECRET_NOT_OURS");
      }
      const wrote = engine.logs.filter(
        ({ event, key }) => event === "secret-written" && String(key).endsWith("/taker"),
      );
      assert.deepEqual(wrote, []);
    });

    it("keyferry plan says so, and does nothing", async () => {
      await place.touch("taker");
      const before = await place.secretThat("victim", ({ ownerReferences }) => ownerReferences.length === 2);
      const key = `one/VaultStaticSecret/${NS}/taker`;
      const args = ["--fleet", world.fleetPath, "--data-dir", `${world.folder}/data`, "-o", "json"];
      const ran = await keyferry(["plan", key, ...args]);
      assert.equal(ran.code, 1, ran.stderr);
      const [planned] = (JSON.parse(ran.stdout) as { syncs: { action: string; because: string }[] }).syncs;
      assert.equal(planned?.action, "fail");
      assert.match(planned.because, /SECRET_NOT_OURS: .*VaultStaticSecret victim still exists/);
      assert.deepEqual(await place.secret("victim"), before);
    });

    it("keyferry plan of a Secret whose references were taken off: an update, and why", async () => {
      await declare("planned");
      await place.synced("planned");
      await stopped(async () => {
        await place.patchSecret("planned", { metadata: { ownerReferences: null } });
        const args = ["--fleet", world.fleetPath, "--data-dir", `${world.folder}/data`, "-o", "json"];
        const ran = await keyferry(["plan", `one/VaultStaticSecret/${NS}/planned`, ...args]);
        const [planned] = (JSON.parse(ran.stdout) as { syncs: { action: string; because: string }[] }).syncs;
        assert.deepEqual([planned?.action, planned?.because], ["update", "its owner reference differs"]);
      });
      await place.secretThat("planned", (secret) => owners(secret)?.join() === "planned");
    });
  });

  it("and nothing of it is seen elsewhere", async () => {
    assert.deepEqual(
      engine.logs.filter(({ level }) => level === "error"),
      [],
    );
    await assertNoLeak(world, engine, [PASSWORD, OTHER]);
  });
});
