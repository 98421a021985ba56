import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Cluster, type VaultFlavor, waitFor } from "../harness/index.ts";
import { practiceIn } from "./support/doctor.ts";
import { keyferry, type RunningEngine, startEngine, status } from "./support/engine.ts";
import { heldAt } from "./support/held.ts";
import { sideBySide } from "./support/side-by-side.ts";
import { authMount, startWorld, type World } from "./support/world.ts";

const NS = "team-a";
const API = "/apis/keyferry.dev/v1alpha1";
const RULES = ["kv/data/apps/*", "kv/delete/apps/*", "kv1/apps/*"];

function policyOf(capabilities: readonly string[]): string {
  const list = capabilities.map((name) => `"${name}"`).join(", ");
  return RULES.map((path) => `path "${path}" { capabilities = [${list}] }`).join("\n");
}

/** Two logins: push.identity may do everything below apps/, `blind` may not read. */
async function allowPush(world: World, cluster: Cluster): Promise<void> {
  const mount = authMount(cluster);
  await world.vault.writePolicy("push", policyOf(["create", "read", "update", "patch", "delete"]));
  await world.vault.writePolicy("blind", policyOf(["create", "update", "delete"]));
  for (const role of ["push", "blind"]) {
    await world.vault.write(`auth/${mount}/role/${role}`, {
      ...{ bound_service_account_names: ["app"], bound_service_account_namespaces: ["*"] },
      ...{ token_policies: [role], audience: "vault", token_ttl: "1h" },
    });
  }
  const login = { mount, serviceAccount: { name: "app" }, audiences: ["vault"] };
  await world.writeFleet(() => ({
    vault: { name: "main" },
    push: {
      kinds: ["VaultPushSecret"],
      paths: ["kv/apps/{namespace}/**", "kv1/apps/{namespace}/**"],
      identity: { ...login, role: "push" },
      choices: { conflict: "merge", identities: [{ ...login, name: "blind", role: "blind" }] },
    },
  }));
}

function aSecret(name: string, texts: Readonly<Record<string, string>>) {
  const data = Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
  );
  return { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: NS }, data };
}

function aPushSecret(name: string, spec: object, labels: Readonly<Record<string, string>> = {}) {
  const sources = [{ secretRef: { name: "db" } }];
  return {
    apiVersion: "keyferry.dev/v1alpha1",
    kind: "VaultPushSecret",
    metadata: { name, namespace: NS, labels },
    spec: { sources, ...spec },
  };
}

interface Told {
  readonly lastPushed?: { readonly path: string; readonly version?: number };
  readonly observedGeneration?: number;
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message: string }[];
}

sideBySide(
  "VaultPushSecrets",
  ["openbao", "vault"] as const,
  (flavor) => `VaultPushSecrets push Secrets to ${flavor}`,
  storyOn,
);

function storyOn(flavor: VaultFlavor): void {
  let world: World;
  let engine: RunningEngine;

  before(async () => {
    world = await startWorld({ clusters: ["one"], vault: { flavor } });
    await world.namespace(cluster(), NS);
    await allowPush(world, cluster());
    await cluster().apply(aSecret("db", { user: "app", password: "one" }));
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
  const toldOf = async (name: string): Promise<Told> => {
    const { body } = await cluster().request("GET", `${API}/namespaces/${NS}/vaultpushsecrets/${name}`);
    return (body as { status?: Told }).status ?? {};
  };
  const ready = ({ conditions = [] }: Told) => conditions.find(({ type }) => type === "Ready");
  const patch = async (name: string, body: object, what = `${API}/namespaces/${NS}/vaultpushsecrets`) => {
    await cluster().request("PATCH", `${what}/${name}`, body, { contentType: "application/merge-patch+json" });
  };
  const remove = (name: string) =>
    cluster().delete({ apiVersion: "keyferry.dev/v1alpha1", kind: "VaultPushSecret", namespace: NS, name });
  const written = async (): Promise<number> =>
    [...(await world.vault.auditedReads())].reduce(
      (sum, [name, times]) => sum + (/^(create|update|patch|delete) kv1?\/.*apps\//.test(name) ? times : 0),
      0,
    );

  it("one is pushed to the path of its template, and kubectl shows where, which version and that it is ready", async () => {
    const path = "apps/{namespace}/{labels.app.kubernetes.io/part-of}/{name}";
    const labels = { "app.kubernetes.io/part-of": "shop" };
    await cluster().apply(aPushSecret("web", { destination: { mount: "kv", path, type: "kv-v2" } }, labels));
    await holds(`kv/data/apps/${NS}/shop/web`, { password: "one", user: "app" });
    await waitFor("its status", async () => ready(await toldOf("web"))?.status === "True");
    const { lastPushed, observedGeneration } = await toldOf("web");
    assert.deepEqual([lastPushed, observedGeneration], [{ path: `kv/apps/${NS}/shop/web`, version: 1 }, 1]);
  });

  // A path is written at most twice a minute, and read at most as often.
  describe("half a minute later", { concurrency: 2 }, () => {
    it("a changed Secret is one more version, and a changed label moves the path", async () => {
      const change = { data: { password: Buffer.from("two").toString("base64") } };
      await patch("db", change, `/api/v1/namespaces/${NS}/secrets`);
      await holds(`kv/data/apps/${NS}/shop/web`, { password: "two", user: "app" });
      await waitFor("its status", async () => (await toldOf("web")).lastPushed?.version === 2);
      await patch("web", { metadata: { labels: { "app.kubernetes.io/part-of": "store" } } });
      await holds(`kv/data/apps/${NS}/store/web`, { password: "two", user: "app" });
      await waitFor("the former path to go", async () => (await held(`kv/data/apps/${NS}/shop/web`)) === undefined);
    });

    it("keys have other names there, on kv-v1 too, and explain shows all of it", async () => {
      const sources = [{ secretRef: { name: "db" }, keys: [{ key: "user", field: "DB_USER" }] }];
      await cluster().apply(
        aPushSecret("old", { destination: { mount: "kv1", path: `apps/${NS}/old` }, sources, reconcile: "30s" }),
      );
      await holds(`kv1/apps/${NS}/old`, { DB_USER: "app" });
      await world.vault.write(`kv1/apps/${NS}/old`, { edited: "x" });
      await holds(`kv1/apps/${NS}/old`, { DB_USER: "app" });
      const key = `one/VaultPushSecret/${NS}/old`;
      const { code, stdout, stderr } = await keyferry(["explain", key, "--data-dir", `${world.folder}/data`]);
      assert.equal(code, 0, stderr);
      assert.match(stdout, new RegExp(`pushes to kv1/apps/${NS}/old, written`));
      assert.match(stdout, /sources: .*DB_USER/);
    });
  });

  it("the API server refuses what can't be right at once, each with its field", async () => {
    const at = (destination: object) => aPushSecret("never", { destination });
    for (const [object, says] of [
      [at({ mount: "kv", path: "apps/../x" }), /spec\.destination\.path: .*must not have a segment that is/],
      [at({ mount: "SYS/x", path: "a" }), /spec\.destination\.mount: .*must not be below sys\//],
      [at({ mount: "kv" }), /spec\.destination\.path: Required value/],
      [aPushSecret("never", { destination: { mount: "kv", path: "a" }, sources: [] }), /spec\.sources: .*at least 1/],
      [aPushSecret("never", { destination: { mount: "kv", path: "a" }, conflict: "all" }), /spec\.conflict: Unsupp/],
      [{ ...at({}), spec: undefined }, /spec: Required value/],
    ] as const) {
      const { status: code, body } = await cluster().request(
        "POST",
        `${API}/namespaces/${NS}/vaultpushsecrets`,
        object,
      );
      assert.equal(code, 422, JSON.stringify(body));
      assert.match(JSON.stringify(body), says);
    }
  });

  it("what fleet.yaml does not allow is in its status and an event, and nothing is written", async () => {
    const before = await written();
    const to = (path: string) => ({ destination: { mount: "kv", path } });
    await cluster().apply(aPushSecret("foreign", to("apps/{labels.to}/x"), { to: "team-b" }));
    await cluster().apply(aPushSecret("adopts", { ...to(`apps/${NS}/x`), conflict: "adopt" }));
    await cluster().apply(aPushSecret("taken", to(`apps/${NS}/store/web`)));
    for (const [name, code] of [
      ["foreign", "PUSH_NOT_ALLOWED"],
      ["adopts", "SPEC_INVALID"],
      ["taken", "PATH_TAKEN"],
    ] as const) {
      await waitFor(`the status of ${name}`, async () => ready(await toldOf(name))?.message.startsWith(code) === true);
      await waitFor(`an event of ${name}`, async () => {
        const { body } = await cluster().request("GET", `/api/v1/namespaces/${NS}/events`);
        return JSON.stringify(body).includes(`${code}: `);
      });
    }
    assert.equal(await written(), before);
  });

  it("merge keeps the fields of others, and another login that may not read writes all the same", async () => {
    await world.vault.putKv("kv", `apps/${NS}/merged`, { theirs: "x" });
    await cluster().apply(
      aPushSecret("merged", { destination: { mount: "kv", path: `apps/${NS}/merged` }, conflict: "merge" }),
    );
    await holds(`kv/data/apps/${NS}/merged`, { password: "two", theirs: "x", user: "app" });
    await cluster().apply(
      aPushSecret("unread", { destination: { mount: "kv", path: `apps/${NS}/unread` }, identity: "blind" }),
    );
    await holds(`kv/data/apps/${NS}/unread`, { password: "two", user: "app" });
    await remove("merged");
    await holds(`kv/data/apps/${NS}/merged`, { theirs: "x" });
  });

  it("a deleted one removes what it pushed, or preserves it, and kubectl delete waits for nothing", async () => {
    await cluster().apply(
      aPushSecret("kept", { destination: { mount: "kv", path: `apps/${NS}/kept` }, deletion: "preserve" }),
    );
    await holds(`kv/data/apps/${NS}/kept`, { password: "two", user: "app" });
    for (const name of ["kept", "web"]) {
      await remove(name);
      const { status: code } = await cluster().request("GET", `${API}/namespaces/${NS}/vaultpushsecrets/${name}`);
      assert.equal(code, 404);
    }
    // One that waited for this path (PATH_TAKEN) is woken and takes it, so it is gone for good only after that one.
    await waitFor("the next one to take the path", async () => ready(await toldOf("taken"))?.status === "True");
    await remove("taken");
    await waitFor("the path to go", async () => (await held(`kv/data/apps/${NS}/store/web`)) === undefined);
    await waitFor("its row to go", async () => !(await status(world)).syncs.some(({ key }) => key.endsWith("/kept")));
    assert.deepEqual(await held(`kv/data/apps/${NS}/kept`), { password: "two", user: "app" });
  });

  it("a definition that goes removes nothing, and doctor names it with what mends it", async () => {
    const name = "vaultpushsecrets.keyferry.dev";
    const definition = { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", name };
    await using practice = await practiceIn(world, cluster());
    const namesIt = async () =>
      (await practice.examine()).findings.find(({ code, where }) => code === "CRD_MISSING" && where.endsWith(name));
    assert.equal(await namesIt(), undefined);
    await cluster().delete(definition);
    await waitFor("the definition to go", async () => (await cluster().get(definition)) === undefined);
    // The API server still shows the kind in its discovery for a moment.
    const found = await waitFor("doctor to name it", namesIt);
    assert.match(JSON.stringify(found), /push\.kinds in fleet\.yaml/);
    assert.deepEqual(await held(`kv/data/apps/${NS}/unread`), { password: "two", user: "app" });
    await practice.mend(found.remedy);
    await waitFor("the definition again", async () => (await namesIt()) === undefined);
  });
}
