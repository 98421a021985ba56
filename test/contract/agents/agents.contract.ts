import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { reservePort, type Vault, waitFor } from "../../harness/index.ts";
import { ISOLATIONS } from "../../harness/pod/isolation.ts";
import type { RunningPod } from "../../harness/pod/pod-runner.ts";
import type { TestPod } from "../../unit/injector/support.ts";
import { type Agent, type AgentWorld, agentWorld, makeNamespace, PASSWORD, type PodOptions } from "./world.ts";

const INIT = "vault-agent-init";
const SIDECAR = "vault-agent";
const DB = "/vault/secrets/db";
/** The agent's configuration is JSON, in which HCL's interpolation has no meaning. */
const INTERPOLATION = ["$", "{HOME}"].join("");

/** Files as the application sees them. */
async function fileOf(pod: RunningPod, path = DB): Promise<string> {
  return readFile(pod.pathIn("web", path), "utf8");
}

async function initialized(pod: RunningPod): Promise<string> {
  const { code, output } = await pod.run(INIT);
  assert.equal(code, 0, output);
  return output;
}

const MOST_PODS = 5;

/**
 * A pod whose init container ended with its leases in the cache, by its debug log. An agent that ends by itself does not
 * say so to its cache first: rarely, a lease whose renewals stop is dropped from the file before the file is closed.
 */
async function initializedWithLeases(world: AgentWorld, annotations: Readonly<Record<string, string>>) {
  for (let pods = 1; ; pods++) {
    await using tried = new AsyncDisposableStack();
    const before = await world.vault.leases("database/creds/app");
    const renewed = await renewals(world.vault);
    const pod = tried.use(await world.pod({ ...annotations, "log-level": "debug" }));
    const output = await initialized(pod);
    if (pods < MOST_PODS && output.includes("evicting index from cache")) continue;
    tried.move();
    return { pod, before, renewed };
  }
}

async function existing(pod: RunningPod, path: string): Promise<string> {
  return waitFor(path, () => fileOf(pod, path).catch(() => undefined));
}

/** Its container says what kind of file system its secrets are in. */
function asksForFileSystem({ spec }: TestPod): void {
  for (const container of spec.containers) container.command = ["stat", "-f", "-c", "%T", "/vault/secrets"];
}

/** Renewals of leases that Vault has answered. */
async function renewals(vault: Vault): Promise<number> {
  return (await vault.auditedReads()).get("update sys/leases/renew") ?? 0;
}

interface Credential {
  readonly username: string;
  readonly password: string;
}

function credentialIn(file: string): Credential {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(file)?.[1] ?? "";
  return { username: field("username"), password: field("password") };
}

/** The files of pods are really there: the agent of this program, with a Vault of this flavor. */
export function agentContract(flavor: Vault["flavor"], agent: Agent): void {
  describe(`pods with the agent of ${agent}, and ${flavor}`, () => {
    let world: AgentWorld;
    before(async () => {
      world = await agentWorld(flavor, agent);
    });
    after(() => world?.[Symbol.asyncDispose]());

    it("get a kv-v1 secret as lines", async (t) => {
      await using pod = await world.pod({ "agent-inject-secret-db": "kv1/db" });
      t.diagnostic(`isolation: ${ISOLATIONS[pod.isolation]}`);
      await initialized(pod);
      assert.equal(await fileOf(pod), "password: p\nusername: u\n");
    });

    it("keep their files in memory, where this machine allows a tmpfs", async (t) => {
      await using pod = await world.pod({ "agent-inject-secret-db": "kv1/db" }, { given: asksForFileSystem });
      await initialized(pod);
      if (pod.isolation !== "tmpfs") return t.skip(ISOLATIONS[pod.isolation]);
      assert.deepEqual(await pod.run("web"), { code: 0, output: "tmpfs" });
      assert.equal(await fileOf(pod), "password: p\nusername: u\n");
    });

    it("get a kv-v2 secret as JSON", async () => {
      await using pod = await world.pod({ "agent-inject-default-template": "json" });
      await initialized(pod);
      const { data } = JSON.parse(await fileOf(pod));
      assert.deepEqual(data, { username: "u", password: PASSWORD, n: 12_345_678_901, "9-odd.name": "odd" });
    });

    it("get what their template says, in a file with their permissions, and run their command", async () => {
      await using pod = await world.pod({
        "agent-inject-template-db": `{{ with secret "kv/data/shop" }}user={{ .Data.data.username }} {{ env "NAMESPACE" }} ${INTERPOLATION}{{ end }}`,
        "agent-inject-file-db": "etc/shop.conf",
        "agent-inject-perms-db": "0440",
        "agent-inject-command-db": "touch /vault/secrets/after",
        "secret-volume-path-db": "/etc/app",
      });
      await initialized(pod);
      const path = "/etc/app/etc/shop.conf";
      assert.equal(await fileOf(pod, path), `user=u shop ${INTERPOLATION}`);
      const { mode, uid, gid } = await stat(pod.pathIn("web", path));
      assert.equal(mode & 0o777, 0o440);
      if (process.getuid?.() === 0 && pod.isolation !== "rewritten") assert.deepEqual([uid, gid], [100, 1000]);
      await existing(pod, "/vault/secrets/after");
    });

    it("get credentials of PostgreSQL that log in, and the sidecar takes over the lease and the token", async () => {
      await using port = await reservePort();
      const begun = await initializedWithLeases(world, {
        "agent-inject-secret-db": "database/creds/app",
        "agent-cache-enable": "true",
        "agent-cache-listener-port": String(port.port),
        "agent-inject-token": "true",
      });
      await using pod = begun.pod;
      const { before, renewed } = begun;
      const { username, password } = credentialIn(await fileOf(pod));
      assert.equal(await world.postgres.login(username, password), true);
      const token = await fileOf(pod, "/vault/secrets/token");
      const sidecar = await pod.start(SIDECAR);
      await waitFor("a renewal by the sidecar", async () => (await renewals(world.vault)) > renewed);
      assert.equal(credentialIn(await fileOf(pod)).username, username);
      assert.equal(await fileOf(pod, "/vault/secrets/token"), token);
      const leases = await world.vault.leases("database/creds/app");
      assert.equal(leases.length, before.length + 1, "init container and sidecar share one lease");
      await sidecar.stop();
    });

    it("end by themselves with agent-pre-populate-only", async () => {
      await using pod = await world.pod({ "agent-pre-populate-only": "true" });
      await initialized(pod);
      await assert.rejects(pod.start(SIDECAR), /no container vault-agent/);
    });

    it("revoke their token and its leases when they stop", async () => {
      await using pod = await world.pod({
        "agent-inject-secret-db": "database/creds/app",
        "agent-pre-populate": "false",
        "agent-inject-token": "true",
        "agent-revoke-on-shutdown": "true",
        "agent-revoke-grace": "0",
      });
      const sidecar = await pod.start(SIDECAR);
      const { username, password } = credentialIn(await existing(pod, DB));
      assert.equal(await world.postgres.login(username, password), true);
      const token = (await existing(pod, "/vault/secrets/token")).trim();
      const { preStop } = await sidecar.stop();
      assert.equal(preStop?.code, 0, preStop?.output);
      const answer = await world.vault.request("GET", "auth/token/lookup-self", undefined, { token });
      assert.equal(answer.status, 403);
      await waitFor("the end of the credential", async () => !(await world.postgres.login(username, password)));
    });

    it("as native sidecars, revoke their token after their end, which comes after that of the pod's own containers", async () => {
      await using pod = await world.pod(
        {
          "agent-inject-secret-db": "database/creds/app",
          "agent-pre-populate": "false",
          "agent-inject-token": "true",
        },
        { settings: { nativeSidecar: true, revokeOnShutdown: true } },
      );
      const sidecar = await pod.start(SIDECAR);
      const { username, password } = credentialIn(await existing(pod, DB));
      const token = (await existing(pod, "/vault/secrets/token")).trim();
      const { preStop } = await sidecar.stop();
      // Kubernetes runs hooks of native sidecars when the pod begins to stop.
      assert.equal(preStop, undefined);
      const { code, output } = await sidecar.ended;
      assert.equal(code, 0, output);
      const answer = await world.vault.request("GET", "auth/token/lookup-self", undefined, { token });
      assert.equal(answer.status, 403, output);
      await waitFor("the end of the credential", async () => !(await world.postgres.login(username, password)));
    });

    it("revoke their token with the certificates of their annotations", async () => {
      const ca = { "ca.crt": Buffer.from(world.vault.caPem ?? "").toString("base64") };
      await world.cluster.apply({
        apiVersion: "v1",
        kind: "Secret",
        metadata: { namespace: "shop", name: "tls" },
        data: ca,
      });
      const { ended } = await revokedToken(
        { "tls-secret": "tls", "ca-cert": "/vault/tls/ca.crt", "tls-server-name": "localhost" },
        { hasCa: false },
      );
      assert.equal(ended, 403);
    });

    it("revoke their token without a check of Vault's certificate", async () => {
      const { ended } = await revokedToken({ "tls-skip-verify": "true" }, { hasCa: false });
      assert.equal(ended, 403);
    });

    // Vault has them in its Enterprise edition alone.
    if (flavor === "openbao") {
      it("log in, read and revoke their token in a Vault namespace", async () => {
        await makeNamespace(world, "team");
        const { file, ended } = await revokedToken({ namespace: "team" }, {}, "team");
        assert.deepEqual([file, ended], ["username: team\n", 403]);
      });
    }

    it("have their files where no mount namespace is allowed, too", async () => {
      await using pod = await world.pod({ "agent-inject-secret-db": "kv1/db" }, { isolation: "rewritten" });
      await initialized(pod);
      assert.equal(await fileOf(pod), "password: p\nusername: u\n");
    });

    /** The file of a sidecar, and what Vault answers to its token after its end. */
    async function revokedToken(
      annotations: Readonly<Record<string, string>>,
      options: PodOptions,
      namespace?: string,
    ) {
      const always = { "agent-pre-populate": "false", "agent-inject-token": "true", "agent-revoke-grace": "0" };
      const all = { ...always, "agent-inject-secret-db": "kv1/db", "agent-revoke-on-shutdown": "true", ...annotations };
      await using pod = await world.pod(all, options);
      const sidecar = await pod.start(SIDECAR);
      const file = await existing(pod, DB);
      const token = (await existing(pod, "/vault/secrets/token")).trim();
      const lookUp = () =>
        world.vault.request("GET", "auth/token/lookup-self", undefined, { token, ...(namespace && { namespace }) });
      assert.equal((await lookUp()).status, 200);
      const { preStop } = await sidecar.stop();
      assert.equal(preStop?.code, 0, preStop?.output);
      return { file, ended: (await lookUp()).status };
    }

    it("fail with a missing secret, and say its path", async () => {
      await using pod = await world.pod({ "agent-inject-secret-db": "kv/data/nothing" });
      const { code, output } = await pod.run(INIT);
      assert.notEqual(code, 0);
      assert.match(output, /kv\/data\/nothing/);
      await assert.rejects(fileOf(pod), { code: "ENOENT" });
    });

    it("get a secret whose path has quotes and braces", async () => {
      const path = 'a"}}{{b';
      await world.vault.request("POST", `kv1/${encodeURIComponent(path)}`, { x: "1" });
      await using pod = await world.pod({ "agent-inject-secret-db": `kv1/${path}` });
      await initialized(pod);
      assert.equal(await fileOf(pod), "x: 1\n");
    });

    it("get the default template with delimiters of their own", async () => {
      await using pod = await world.pod({
        "agent-inject-secret-db": "kv1/db",
        "agent-template-left-delim-db": "<%",
        "agent-template-right-delim-db": "%>",
      });
      await initialized(pod);
      assert.equal(await fileOf(pod), "password: p\nusername: u\n");
    });

    it("have secrets in the environment of their command", async () => {
      await using pod = await world.pod(
        { "keyferry.dev/agent-env-db": "true" },
        {
          given: ({ spec }) => {
            for (const container of spec.containers) {
              container.command = ["/bin/sh", "-c"];
              container.args = ['printf "%s\\n" "$username" "$password" "$n" "$_9_odd_name" "$1"', "sh", "given"];
            }
          },
        },
      );
      await initialized(pod);
      const { code, output } = await pod.run("web");
      assert.deepEqual([code, output.split("\n")], [0, ["u", PASSWORD, "12345678901", "odd", "given"]]);
    });

    it("may be stopped by the agent's API, and accept every option of the agent", async () => {
      await using port = await reservePort();
      await using pod = await world.pod({
        "agent-pre-populate": "false",
        "agent-enable-quit": "true",
        "agent-cache-listener-port": String(port.port),
        "agent-disable-idle-connections": "auto-auth,caching,templating",
        "agent-disable-keep-alives": "auto-auth",
        "agent-telemetry-disable-hostname": "true",
        "agent-telemetry-prometheus-retention-time": "1h",
        "agent-telemetry-prefix-filter": '["+vault"]',
        "template-lease-renewal-threshold": "0.5",
        "template-max-connections-per-host": "2",
        "template-static-secret-render-interval": "1s",
        "agent-auto-auth-exit-on-err": "true",
        "error-on-missing-key-db": "true",
        "client-timeout": "30s",
        "client-max-retries": "1",
        "log-format": "json",
        "log-level": "debug",
      });
      const sidecar = await pod.start(SIDECAR);
      await existing(pod, DB);
      const quit = () => fetch(`http://127.0.0.1:${port.port}/agent/v1/quit`, { method: "POST" });
      // It may end before its answer has left.
      await waitFor("the agent's end", async () => (await quit().catch(() => undefined))?.ok || !sidecar.isRunning());
      const { code } = await sidecar.ended;
      assert.equal(code, 0, sidecar.output());
    });

    it("follow a change in Vault", async () => {
      await world.vault.putKv("kv1", "changing", { version: "1" });
      await using pod = await world.pod({
        "agent-inject-secret-db": "kv1/changing",
        "template-static-secret-render-interval": "1s",
      });
      await initialized(pod);
      const sidecar = await pod.start(SIDECAR);
      await world.vault.putKv("kv1", "changing", { version: "2" });
      await waitFor("the new version", async () => (await fileOf(pod)) === "version: 2\n");
      await sidecar.stop();
    });

    it("wait for a Vault that is down", async () => {
      await using pod = await world.pod({ "agent-inject-secret-db": "kv1/db" });
      await world.vault.stop();
      const init = await pod.start(INIT);
      await waitFor("a failed login", async () => /connection refused/.test(init.output()));
      assert.equal(init.isRunning(), true);
      await world.vault.start();
      const { code, output } = await init.ended;
      assert.equal(code, 0, output);
      assert.equal(await fileOf(pod), "password: p\nusername: u\n");
    });

    it("use a configuration of their own", async () => {
      const config = (isInit: boolean) => `
        exit_after_auth = ${isInit}
        auto_auth {
          method "kubernetes" {
            mount_path = "auth/kubernetes"
            config = { role = "shop" }
          }
        }
        template {
          contents = "{{ with secret \\"kv1/db\\" }}{{ .Data.username }}{{ end }}"
          destination = "/vault/secrets/db"
        }`;
      await world.cluster.apply({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { namespace: "shop", name: "agent" },
        data: { "config-init.hcl": config(true), "config.hcl": config(false) },
      });
      await using pod = await world.pod({ "agent-configmap": "agent" });
      await initialized(pod);
      assert.equal(await fileOf(pod), "u");
    });
  });
}
