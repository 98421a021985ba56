import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../../harness/index.ts";
import { type Place, placeIn } from "../support/place.ts";
import { type ScriptedApi, scriptedApi } from "../support/scripted-api.ts";
import { type Deployed, startDeployed } from "./support/deployed.ts";
import { A_TICK_MS } from "./support/waits.ts";

const NS = "shop";
const SYNCS = 5;
const CHANGES = 4;
/** A tick, a message that comes again after six minutes of an emulator that is late, and what waits for others. */
const SOON_MS = A_TICK_MS;
const PAUSE_S = 20;
/** A pause is known to one process; so many may ask of a cluster at once (infra/settings.yml). */
const PROCESSES = 5 + 5 + 10 + 10;
/** In all, by shares of this among renewConcurrency, nowConcurrency and refreshConcurrency. */
const BUDGET = 1;
const SHARES = 5 + 10 + 10;

/** Real API servers: a healthy one, one that is stopped, one behind a proxy that answers 429, one that refuses our login. */
describe("functions and clusters that are gone, throttle, or refuse our login", { timeout: 2_400_000 }, () => {
  let deployed: Deployed;
  let proxy: ScriptedApi;
  let healthy: Place;
  let gone: Place;
  let busy: Place;
  let dead: Place;
  let refused = 0;

  before(async () => {
    deployed = await startDeployed({ world: { clusters: ["healthy", "gone", "busy", "dead"] } });
    const { world } = deployed;
    [healthy, gone, busy, dead] = world.clusters.map((cluster) => placeIn(cluster, NS)) as [Place, Place, Place, Place];
    for (let at = 0; at < SYNCS; at++) await world.vault.putKv("kv", `s-${at}`, { value: "first" });
    for (const place of [healthy, gone, busy, dead]) {
      await world.namespace(place.cluster, NS);
      for (let at = 0; at < SYNCS; at++) await place.declare(`s-${at}`, { refreshAfter: "10s" });
    }
    proxy = await scriptedApi(busy.cluster, world.folder);
    await gone.cluster.servers.api.kill();
    await push(await deployed.fleetWith({}));
  });
  after(async () => {
    await deployed?.[Symbol.asyncDispose]();
    await proxy?.[Symbol.asyncDispose]();
  });

  const follows = (place: Place, name: string, value: string) =>
    place.secretThat(name, ({ data }) => data.value === value, SOON_MS);
  const codes = async (): Promise<Readonly<Record<string, string | undefined>>> =>
    Object.fromEntries((await deployed.status()).clusters.map(({ name, error }) => [name, error?.code]));

  it("the healthy cluster follows each change while the others are sick", async () => {
    await using _ = deployed.ticking();
    for (const place of [healthy, busy]) for (let at = 0; at < SYNCS; at++) await follows(place, `s-${at}`, "first");
    throttle();
    for (let change = 0; change < CHANGES; change++) {
      await deployed.world.vault.putKv("kv", `s-${change % SYNCS}`, { value: `change-${change}` });
      await follows(healthy, `s-${change % SYNCS}`, `change-${change}`);
    }
    await waitFor(
      "each sick cluster to be named",
      async () => {
        const found = await codes();
        return found.gone === "KUBE_UNREACHABLE" && found.dead === "KUBE_LOGIN_REFUSED" && found.busy !== undefined;
      },
      SOON_MS,
    );
    const { syncs } = await deployed.status();
    assert.deepEqual(
      syncs.filter(({ key, error }) => key.startsWith("healthy/") && error !== undefined),
      [],
    );
    assert.equal((await codes()).healthy, undefined);
  });

  it("a cluster that throttles gets one request of each process in each of its pauses", async () => {
    await using _ = deployed.ticking();
    const [before, startedAt] = [refused, Date.now()];
    await waitFor("more refusals", async () => refused > before + 2, SOON_MS);
    const pauses = Math.ceil((Date.now() - startedAt) / (PAUSE_S * 1_000)) + 1;
    assert.ok(refused - before <= pauses * PROCESSES, `${refused - before} requests in ${pauses} pauses`);
  });

  it("and is served again when it answers", async () => {
    await using _ = deployed.ticking();
    proxy.play(undefined);
    for (let change = 0; change < CHANGES; change++) {
      await follows(busy, `s-${change % SYNCS}`, `change-${change}`);
    }
    await waitFor("its error to be gone", async () => (await codes()).busy === undefined, SOON_MS);
  });

  it("a Vault gets no more requests than its budget, by shares of all processes", async () => {
    await using _ = deployed.ticking();
    await push(await deployed.fleetWith({ requestsPerSecond: BUDGET }));
    await waitFor(
      "syncs to wait for the budget",
      async () => (await deployed.status()).syncs.some(({ error }) => error?.code === "VAULT_THROTTLED"),
      SOON_MS,
    );
    const [before, startedAt] = [await vaultRequests(), Date.now()];
    // Which of them comes first is chance: the shares of a few processes are a request in 25 s each.
    const names = Array.from({ length: SYNCS }, (_, at) => `s-${at}`);
    for (const name of names) await deployed.world.vault.putKv("kv", name, { value: "slowly" });
    const secrets = () => Promise.all(names.map((name) => healthy.secret(name)));
    await waitFor("one to follow", async () => (await secrets()).some((one) => one?.data.value === "slowly"), SOON_MS);
    const [after, seconds] = [await vaultRequests(), (Date.now() - startedAt) / 1_000];
    // Each share may begin with one request, and what is under way may end.
    const allowed = BUDGET * seconds + 2 * SHARES;
    assert.ok(after - before <= allowed, `${after - before} requests in ${seconds} s`);
  });

  it("nothing failed that is no outage", async () => {
    for (const name of ["discover", "reconcile"] as const) {
      const failures = await deployed.logged(name, "invocation-failed");
      // The emulator itself may be late on a busy machine: that is an outage too, of what all clusters share.
      assert.deepEqual(
        failures.filter(({ line }) => line.code !== "STORE_UNAVAILABLE"),
        [],
      );
    }
  });

  function throttle(): void {
    proxy.play((_request, response) => {
      refused += 1;
      const status = { kind: "Status", apiVersion: "v1", code: 429, reason: "TooManyRequests" };
      response.writeHead(429, { "content-type": "application/json", "retry-after": `${PAUSE_S}` });
      response.end(JSON.stringify(status));
      return true;
    });
  }

  /** Uploads this fleet as people do: with the proxy for one cluster, and a dead token for another. */
  async function push(fleet: string): Promise<void> {
    const folder = dirname(deployed.fleetPath);
    const write = (name: string, text: string) => writeFile(join(folder, name), text, { mode: 0o600 });
    await write("fleet.yaml", fleet);
    await write("clusters/busy.yaml", proxy.kubeconfig);
    await write("clusters/dead.yaml", withDeadToken(dead.cluster.url));
    const { code, stderr } = await deployed.keyferry("fleet", "push", "--fleet", deployed.fleetPath);
    assert.equal(code, 0, stderr);
  }

  /** Reads and logins, by Vault's own audit log. */
  async function vaultRequests(): Promise<number> {
    const asked = [...(await deployed.world.vault.auditedReads())];
    return asked.filter(([what]) => /^(read kv\/|update auth\/)/.test(what)).reduce((sum, [, times]) => sum + times, 0);
  }
});

function withDeadToken(server: string): string {
  return JSON.stringify({
    "current-context": "dead",
    clusters: [{ name: "dead", cluster: { server, "insecure-skip-tls-verify": true } }],
    users: [{ name: "dead", user: { token: "revoked-long-ago" } }],
    contexts: [{ name: "dead", context: { cluster: "dead", user: "dead" } }],
  });
}
