import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { inspect } from "node:util";
import { parse } from "yaml";
import { awsAccess } from "../../lib/aws/aws-access.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../../lib/clock.ts";
import { lazyVault } from "../../lib/connect/lazy-vault.ts";
import { accessTo } from "../../lib/connect/ways.ts";
import { SyncError } from "../../lib/errors.ts";
import { folderFiles } from "../../lib/fleet/files.ts";
import { type Fleet, parseFleet } from "../../lib/fleet/fleet.ts";
import { reachOfFleet } from "../../lib/fleet/vaults.ts";
import { clusterClients } from "../../lib/kubernetes/cluster-client.ts";
import type { Log } from "../../lib/ports/telemetry.ts";
import { openSqliteStore, type SqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { type Cluster, startCluster, startVault, type TempFolder, tempFolder, type Vault } from "../harness/index.ts";
import { failure } from "./vault-world.ts";

const soon = () => AbortSignal.timeout(30_000);

for (const flavor of ["openbao", "vault"] as const) {
  describe(`connections by ${flavor}`, { concurrency: 1 }, () => {
    const servers = new AsyncDisposableStack();
    let vault: Vault;
    let cluster: Cluster;
    let folder: TempFolder;

    before(async () => {
      folder = servers.use(await tempFolder("vault-ways"));
      [cluster, vault] = await Promise.all([
        startCluster().then((started) => servers.use(started)),
        startVault({ flavor }).then((started) => servers.use(started)),
      ]);
      await vault.enableKubernetesSecrets(cluster);
      await vault.putKubernetesRole("ferry", { account: "default" });
      const { roleId, secretId } = await vault.putIssuer("ferry", { updates: ["kubernetes/creds/ferry"] });
      await writeFile(join(folder.path, "secret-id"), `${secretId}\n`);
      await writeFile(join(folder.path, "ca.pem"), cluster.caPem);
      await vault.enableKv("kv", 2);
      await vault.writePolicy("reader", 'path "kv/data/clusters/*" { capabilities = ["read"] }');
      const reader = await vault.enableAppRole({ role: "reader", policies: ["reader"] });
      await writeFile(join(folder.path, "reader-id"), reader.secretId);
      ids = { roleId, reader: reader.roleId };
    });
    after(() => servers.disposeAsync());
    let ids: { readonly roleId: string; readonly reader: string };

    const fleetWith = (connect: object): Fleet =>
      parseFleet(
        JSON.stringify({
          apiVersion: "keyferry.dev/v1alpha1",
          kind: "Fleet",
          vaults: [
            {
              name: "main",
              addresses: [vault.address],
              identities: [
                { name: "ferry", method: "appRole", roleId: ids.roleId, secretIdFile: "secret-id" },
                { name: "reader", method: "appRole", roleId: ids.reader, secretIdFile: "reader-id" },
              ],
            },
          ],
          clusters: [{ name: "east", connect }],
        }),
        "fleet.yaml",
      );
    const minting = (more: object = {}) =>
      fleetWith({
        vaultKubernetes: {
          ...{ vault: "main", identity: "ferry", role: "ferry", namespace: "default" },
          ...{ url: cluster.url, caFile: "ca.pem", ...more },
        },
      });
    const inVault = (more: object = {}) =>
      fleetWith({
        vaultKubeconfig: { vault: "main", identity: "reader", mount: "kv", path: "clusters/east", ...more },
      });

    /** A process of keyferry, as far as its connections go; only the test moves its clock. */
    function aProcess(fleet: Fleet, store?: SqliteStore) {
      let now = Date.now();
      const told: string[] = [];
      const note = (event: string, fields?: object) => void told.push(`${event} ${JSON.stringify(fields ?? {})}`);
      const log: Log = { debug() {}, info: note, warn: note, error: note };
      const clock = () => now;
      const cache = store && {
        store: store.tokens(),
        keys: async () => [Buffer.alloc(32, 7)],
        installation: "ours",
        randomBytes: (count: number) => crypto.getRandomValues(Buffer.alloc(count)),
      };
      const files = folderFiles(folder.path);
      const reachOf = reachOfFleet(() => fleet);
      const access = lazyVault(() => ({ clock, log, files, reachOf, vaults: () => fleet.vaults, cache }));
      const [east] = fleet.clusters;
      if (east === undefined) throw new Error("no cluster");
      const ways = { files, clock, aws: awsAccess(clock), vault: access.open, mayExec: true };
      const way = (isRefused = false) => accessTo(east, ways, isRefused);
      const clients = clusterClients({ clock, log, resolve: (_name, isRefused) => way(isRefused) });
      return {
        told,
        sweep: access.sweep,
        pass(ms: number) {
          now += ms;
        },
        now: way,
        clock,
        /** The token that it would use. */
        token: async (isRefused = false): Promise<string> => {
          const { kubeConfig } = await way(isRefused);
          return "text" in kubeConfig ? parse(kubeConfig.text).users[0].user.token : "";
        },
        /** A request to the cluster as every other one; answers its status. */
        ask: async () => {
          const kind = { group: "", version: "v1", kind: "Namespace", resource: "namespaces" };
          const answer = await clients.send({ cluster: "east", verb: "get", kind, name: "default" }, soon());
          return "failure" in answer ? answer.failure.http : 200;
        },
        async [Symbol.asyncDispose]() {
          clients.close();
          await access.close();
        },
      };
    }
    const mintings = async () => (await vault.auditedReads()).get("update kubernetes/creds/ferry") ?? 0;
    const endings = async () => (await vault.auditedReads()).get("update auth/token/revoke-self") ?? 0;
    const minted = async (work: () => Promise<unknown>): Promise<number> => {
      const before = await mintings();
      await work();
      return (await mintings()) - before;
    };

    it("two processes share one token, which the cluster accepts, for an hour", async () => {
      await using store = openSqliteStore({ path: ":memory:" });
      await using one = aProcess(minting(), store);
      await using two = aProcess(minting(), store);
      const times = await minted(async () => {
        // The account may do nothing: 403 is the answer to somebody that the cluster knows.
        assert.deepEqual(await Promise.all([one.ask(), one.ask()]), [403, 403]);
        assert.equal(await two.ask(), 403);
        assert.equal(await two.token(), await one.token());
      });
      assert.equal(times, 1);
      const [stored] = await store.tokens().tokens("fleet");
      assert.ok(stored);
      assert.ok(Math.abs(stored.endsAt - Date.now() - HOUR_MS) < MINUTE_MS);
      assert.ok(!JSON.stringify(stored).includes(await one.token()), "it is stored sealed");
      assert.ok(!one.told.join().includes(await one.token()));
    });

    it("a token is replaced after two thirds of its life, and the former login is ended", async () => {
      await using store = openSqliteStore({ path: ":memory:" });
      await using one = aProcess(minting({ ttl: "10m" }), store);
      const first = await one.token();
      one.pass(6 * MINUTE_MS);
      assert.equal(await one.token(), first);
      one.pass(MINUTE_MS);
      const before = (await vault.auditedReads()).get("update auth/token/revoke-self") ?? 0;
      assert.equal(await minted(async () => assert.notEqual(await one.token(), first)), 1);
      assert.equal((await vault.auditedReads()).get("update auth/token/revoke-self"), before + 1);
      assert.equal(await one.ask(), 403, "the token outlives a login");
    });

    it("a token that was minted by other settings is not used by the new ones, and its login is ended", async () => {
      await using store = openSqliteStore({ path: ":memory:" });
      const audiences = ["https://kubernetes.default.svc"];
      await using before = aProcess(minting(), store);
      const first = await before.token();
      await using after = aProcess(minting({ audiences }), store);
      after.pass(2 * MINUTE_MS);
      const ended = await endings();
      assert.equal(await minted(async () => assert.notEqual(await after.token(), first)), 1);
      assert.equal(await endings(), ended + 1);
      await using late = aProcess(minting({ ttl: "20m" }), store);
      late.pass(2 * MINUTE_MS);
      await late.token();
      assert.equal(await endings(), ended + 1, "a process that has not read the new settings yet ends none of them");
    });

    it("two processes that mint at once agree on one token, and the login of the other one is ended", async () => {
      await using store = openSqliteStore({ path: ":memory:" });
      await using one = aProcess(minting(), store);
      await using two = aProcess(minting(), store);
      const before = await endings();
      let tokens: readonly string[] = [];
      const times = await minted(async () => {
        tokens = await Promise.all([one.token(), two.token(), one.token(), two.token()]);
      });
      assert.equal(new Set(tokens).size, 1);
      assert.ok(times <= 2, `${times} mintings`);
      assert.equal(await endings(), before + times - 1);
      assert.equal((await store.tokens().tokens("fleet")).length, 1);
      assert.equal(await two.ask(), 403);
    });

    it("the token of a cluster that left is forgotten by the next process too, and its login ended", async () => {
      await using store = openSqliteStore({ path: ":memory:" });
      await using one = aProcess(minting(), store);
      await one.token();
      await using next = aProcess(minting(), store);
      const before = await endings();
      await next.sweep(minting());
      assert.equal((await store.tokens().tokens("fleet")).length, 1, "it is in use");
      await vault.stop();
      try {
        await next.sweep({ clusters: [] });
        await next.sweep({ clusters: [], unread: ["a hub"] });
        assert.equal((await store.tokens().tokens("fleet")).length, 1, "its login is not ended yet");
      } finally {
        await vault.start();
      }
      await next.sweep(inVault());
      assert.deepEqual(await store.tokens().tokens("fleet"), []);
      assert.equal(await endings(), before + 1);
      assert.ok(next.told.some((line) => line.startsWith("cluster-token-forgotten")));
    });

    it("while Vault is out of reach the old token is used to its end; then Vault is named, and not the cluster", async () => {
      await using store = openSqliteStore({ path: ":memory:" });
      await using one = aProcess(minting({ ttl: "10m" }), store);
      const first = await one.token();
      await vault.stop();
      try {
        one.pass(8 * MINUTE_MS);
        assert.equal(await one.token(), first);
        assert.ok(one.told.some((line) => line.startsWith("cluster-token-kept") && line.includes("VAULT_UNAVAILABLE")));
        one.pass(3 * MINUTE_MS);
        const error = await failure(one.ask(), "VAULT_UNAVAILABLE");
        assert.equal(error.circuit, `vault:${vault.address}`);
        assert.match(error.message, /^cluster east: POST auth\/approle\/login of http/);
      } finally {
        await vault.start();
      }
      one.pass(6 * SECOND_MS);
      assert.equal(await one.ask(), 403);
    });

    it("a refused token is minted anew once, and not again before a minute has passed, whoever asks", async () => {
      await using store = openSqliteStore({ path: ":memory:" });
      await using one = aProcess(minting(), store);
      await using two = aProcess(minting(), store);
      const first = await one.token();
      assert.equal(await minted(async () => assert.equal(await one.token(true), first)), 0, "it is too young");
      for (const process of [one, two]) process.pass(2 * MINUTE_MS);
      assert.equal(await two.token(), first);
      let second = "";
      const times = await minted(async () => {
        second = await one.token(true);
        for (let more = 0; more < 5; more++) assert.equal(await one.token(true), second);
        assert.equal(await two.token(true), second, "another process takes what there is");
      });
      assert.equal(times, 1);
      assert.notEqual(second, first);
    });

    it("a role that fails costs one login and one request in five seconds, and nothing is left of it", async () => {
      await using one = aProcess(minting({ role: "unknown" }));
      const before = (await vault.auditedReads()).get("update auth/approle/login") ?? 0;
      for (let times = 0; times < 3; times++) {
        const error = await failure(one.now(), "VAULT_DENIED");
        assert.match(error.message, /^cluster east: POST kubernetes\/creds\/unknown of .* the policies of its role/);
      }
      assert.equal((await vault.auditedReads()).get("update auth/approle/login"), before + 1);
    });

    it("a secret id that is gone, and an empty one, are named by their file", async () => {
      await using one = aProcess(minting());
      const path = join(folder.path, "secret-id");
      const id = await readFile(path, "utf8");
      try {
        await writeFile(path, "wr0ng\n");
        const error = await failure(one.now(), "VAULT_LOGIN_REFUSED");
        assert.doesNotMatch(inspect(error, { depth: 20 }), /wr0ng/);
        await writeFile(path, "\n");
        one.pass(6 * SECOND_MS);
        await failure(one.now(), "REFERENCE_INVALID");
      } finally {
        await writeFile(path, id);
      }
      one.pass(6 * SECOND_MS);
      assert.equal(await one.ask(), 403, "the file is read again at each login");
    });

    it("a kubeconfig at a path of Vault connects, and is read again after a refusal and after five minutes", async () => {
      await vault.putKv("kv", "clusters/east", { kubeconfig: cluster.adminKubeconfig });
      await using one = aProcess(inVault());
      assert.equal(await one.ask(), 200);
      const { expiresAt = 0 } = await one.now();
      assert.ok(Math.abs(expiresAt - one.clock() - 5 * MINUTE_MS) < MINUTE_MS);
      const account = { serviceAccount: { namespace: "default", name: "default" } };
      await vault.putKv("kv", "clusters/east", { kubeconfig: await cluster.kubeconfigFor(account) });
      assert.equal(await one.ask(), 200, "it is not read for each request");
      one.pass(5 * MINUTE_MS);
      assert.equal(await one.ask(), 403);
      const dead = (await cluster.kubeconfigFor(account)).replace(/token: .*/, "token: dead");
      await vault.putKv("kv", "clusters/east", { kubeconfig: dead });
      one.pass(5 * MINUTE_MS);
      assert.equal(await one.ask(), 401);
      await vault.putKv("kv", "clusters/east", { kubeconfig: cluster.adminKubeconfig });
      assert.equal(await one.ask(), 200);
    });

    it("a kubeconfig at a path of Vault runs nothing and reads no file", async () => {
      const user = { exec: { command: "touch", args: ["/tmp/x"] } };
      const config = (fields: { readonly user?: object; readonly cluster?: object }, context = "east") =>
        JSON.stringify({
          clusters: [{ name: "c", cluster: { server: cluster.url, ...fields.cluster } }],
          users: [{ name: "u", user: fields.user ?? { token: "s3cr3t" } }],
          contexts: [{ name: "east", context: { cluster: "c", user: "u" } }],
          "current-context": context,
        });
      for (const [text, complaint] of [
        [config({ user }), /has an exec plugin/],
        [config({ user: { "auth-provider": { name: "gcp" } } }), /has an auth-provider/],
        [config({ user: { tokenFile: "/etc/passwd" } }), /has tokenFile/],
        [config({ user: { "client-certificate": "/a", "client-key": "/b" } }), /has client-certificate/],
        [config({ cluster: { "certificate-authority": "/etc/passwd" } }), /has certificate-authority/],
        [config({}, "other"), /lacks its context/],
        ["s3cr3t: [", /is not YAML/],
        ["s3cr3t", /is not YAML/],
        ["", /has no key kubeconfig/],
      ] as const) {
        await vault.putKv("kv", "clusters/east", { kubeconfig: text });
        await using one = aProcess(inVault());
        const error = await failure(one.now(), "REFERENCE_INVALID");
        assert.match(error.message, complaint);
        assert.match(error.message, /^cluster east: .*clusters\/east/);
      }
      await using none = aProcess(inVault({ path: "clusters/none" }));
      await failure(none.now(), "VAULT_PATH_MISSING");
      await vault.putKv("kv", "clusters/east", { kubeconfig: config({}).replace("https://", "http://") });
      await using plain = aProcess(inVault());
      const error: unknown = await plain.ask().catch((reason: unknown) => reason);
      assert.ok(error instanceof SyncError && error.message.includes("needs a server that starts with https://"));
    });
  });
}
