import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { API } from "./auth-methods/scene.ts";
import { brokenVault } from "./support/broken-vault.ts";
import { keyferry, type RunningEngine, startEngine } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import type { Place } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { authMount, ROLE, type World } from "./support/world.ts";

const NS = "team-a";
const PASSWORD = "Qr8-correct-horse-battery";
const CODE = "VAULT_ADDRESS_NOT_ALLOWED";

/** What a tenant should not see: a service of the machine that keyferry runs on. */
interface Hidden extends AsyncDisposable {
  readonly address: string;
  readonly connections: number;
}

async function hidden(): Promise<Hidden> {
  let connections = 0;
  const body = {
    data: { data: { password: PASSWORD }, metadata: { version: 1, created_time: "2026-01-01T00:00:00Z" } },
  };
  const server = createServer((_, response) => response.end(JSON.stringify(body)));
  server.on("connection", () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("what a team's resources may have keyferry connect to", () => {
  let world: World;
  let engine: RunningEngine;
  let place: Place;
  let service: Hidden;

  before(async () => {
    service = await hidden();
    ({ world, place } = await startPlace(NS, { vault: { tls: true } }));
    await world.vault.putKv("kv", "db", { password: PASSWORD });
    const caFile = join(world.folder, "vault-ca.pem");
    await writeFile(caFile, world.vault.caPem ?? "");
    await world.writeFleet(() => ({ vault: { requireAudiences: true } }), { caFile: "./vault-ca.pem" });
    await world.vault.write(`auth/${authMount(place.cluster)}/role/${ROLE}`, {
      bound_service_account_names: ["*"],
      bound_service_account_namespaces: ["*"],
      token_policies: [ROLE],
      audience: "vault",
    });
    engine = await startEngine(world);
  });
  after(() => endAll(engine, world, service));

  const kubernetes = { role: ROLE, serviceAccount: "app", audiences: ["vault"] };
  /** A VaultConnection, a VaultAuth and a sync, all of this name. */
  async function declare(name: string, connection: object, block: object = kubernetes): Promise<void> {
    const metadata = { name, namespace: NS };
    const auth = { method: "kubernetes", mount: authMount(place.cluster), vaultConnectionRef: name, kubernetes: block };
    await place.cluster.apply([
      { apiVersion: API, kind: "VaultConnection", metadata, spec: connection },
      { apiVersion: API, kind: "VaultAuth", metadata, spec: auth },
    ]);
    await place.declare(name, { path: "db", vaultAuthRef: name });
  }

  it("a Vault that fleet.yaml names is reached on loopback, and trusted by its caFile where the team names no CA", async () => {
    await declare("known", { address: world.vault.address });
    await place.synced("known");
    assert.equal((await place.secret("known"))?.data.password, PASSWORD);
  });

  it("another service there is not: a team learns nothing of it, not even whether it is there", async () => {
    const gone = await hidden();
    await gone[Symbol.asyncDispose]();
    const messages: string[] = [];
    for (const [name, { address }] of [
      ["open", service],
      ["closed", gone],
    ] as const) {
      await declare(name, { address });
      messages.push((await place.failed(name, CODE)).replaceAll(address, "ADDRESS"));
      const ping = await place.cluster.waitFor(`the status of VaultConnection ${name}`, async () => {
        const { VaultPing } = await place.conditions(name, "VaultConnection");
        return VaultPing?.status === "False" && VaultPing.message.replaceAll(address, "ADDRESS");
      });
      messages.push(ping);
    }
    assert.deepEqual(messages.slice(0, 2), messages.slice(2));
    await declare("by-name", { address: service.address.replace("127.0.0.1", "localhost") });
    await place.failed("by-name", CODE);
    assert.equal(service.connections, 0);
  });

  it("nor is it by a redirect of the team's own Vault: its answer stands in no Secret", async () => {
    await using theirs = await brokenVault((response) => {
      const location = `${service.address}/v1/kv/data/db`;
      response.writeHead(307, { location }).end();
    });
    await declare("lured", { address: theirs.address });
    assert.match(await place.failed("lured", CODE), /where it is redirected/);
    assert.equal(await place.secret("lured"), undefined);
    assert.equal(service.connections, 0);
  });

  it("a service account's token goes nowhere without an audience of its own, where the fleet demands one", async () => {
    const { audiences: _, ...block } = kubernetes;
    await declare("no-audience", { address: world.vault.address }, block);
    assert.match(await place.failed("no-audience", "REFERENCE_INVALID"), /spec\.kubernetes\.audiences: required/);
    await declare("no-audience", { address: world.vault.address });
    await place.synced("no-audience");
  });

  it("plan says the same as a run", async () => {
    const args = ["--fleet", world.fleetPath, "--data-dir", join(world.folder, "planned"), "-o", "json"];
    const { stdout } = await keyferry(["plan", `one/VaultStaticSecret/${NS}/*`, ...args]);
    const { syncs } = JSON.parse(stdout) as { syncs: { key: string; action: string; error?: { code: string } }[] };
    const of = (name: string) => syncs.find(({ key }) => key.endsWith(`/${name}`));
    assert.equal(of("open")?.error?.code, CODE);
    assert.notEqual(of("known")?.action, "fail");
    assert.equal(service.connections, 0);
  });

  it("with vaultAddresses: named it is what fleet.yaml names alone", async () => {
    await engine.stop();
    await world.writeFleet(() => ({ vaultAddresses: "named" }), { caFile: "./vault-ca.pem" });
    engine = await startEngine(world);
    await declare("elsewhere", { address: "https://vault.invalid:8200" });
    assert.match(await place.failed("elsewhere", CODE), /reach only what it names/);
    await world.vault.putKv("kv", "db", { password: `${PASSWORD}-2` });
    await place.secretThat("known", ({ data }) => data.password === `${PASSWORD}-2`);
  });

  it("and no value is seen anywhere", () => assertNoLeak(world, engine, [PASSWORD]));
});
