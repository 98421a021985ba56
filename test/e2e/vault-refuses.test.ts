import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type BrokenVault, brokenVault, json } from "./support/broken-vault.ts";
import { type RunningEngine, type StatusAnswer, startEngine } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import type { Place } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { statusThat } from "./support/status-that.ts";
import { authMount, ROLE, type World } from "./support/world.ts";

const NS = "team-a";
const API = "secrets.hashicorp.com/v1beta1";
const PASSWORD = "Qm4-correct-horse-battery";

const SILENCE_MS = 3_000;
/** After a failure that someone outside must mend, where a refresh would come after 5 s. */
const [SOONEST_RECHECK_MS, LATEST_RECHECK_MS] = [15_000, 45_000];
/** A sync that is refreshed seldom, and has failed so often, is rechecked after two minutes at the earliest. */
const [SELDOM, OFTEN] = ["12h", 4];
/** Less than that: what is in step by then was seen, and not rechecked. */
const SEEN_MS = 90_000;

describe("Vault refuses, or answers what is no answer: coded errors, Secrets stay, others go on", () => {
  let world: World;
  let engine: RunningEngine;
  let place: Place;

  before(async () => {
    ({ world, place } = await startPlace(NS));
    await world.vault.putKv("kv", "good", { password: PASSWORD });
    engine = await startEngine(world);
    await place.declare("good");
    await place.synced("good");
  });
  after(() => endAll(engine, world));

  const allow = (paths: readonly string[]) =>
    world.vault.writePolicy(ROLE, paths.map((path) => `path "${path}" { capabilities = ["read"] }`).join("\n"));

  /** A VaultAuth of its own, as the default one but for this. */
  const login = async (name: string, kubernetes: object, connection?: { readonly address: string }): Promise<void> => {
    const metadata = { name, namespace: NS };
    const [{ name: cluster }] = [place.cluster];
    const mount = authMount({ name: cluster });
    if (connection) await place.cluster.apply({ apiVersion: API, kind: "VaultConnection", metadata, spec: connection });
    const vaultConnectionRef = connection ? name : "vault-secrets-operator-system/default";
    const spec = { method: "kubernetes", mount, vaultConnectionRef, kubernetes };
    await place.cluster.apply({ apiVersion: API, kind: "VaultAuth", metadata, spec });
  };

  /** Waits until its row says so of that many attempts: the status is told before it is settled. */
  const settled = async (name: string, code: string, attempts = 1) => {
    const isIt = (sync: StatusAnswer["syncs"][number]) => sync.key.endsWith(`/${name}`);
    const { syncs } = await statusThat(world, `${name} to have failed ${attempts} times`, (answer) =>
      answer.syncs.some((sync) => isIt(sync) && sync.error?.code === code && sync.attempts >= attempts),
    );
    return syncs.find(isIt) ?? assert.fail(name);
  };
  /** One that failed is tried again and again, until it comes back by itself only after all that follows here. */
  async function failsForLong(name: string, code: string, spec: object = {}): Promise<void> {
    await place.declare(name, { ...spec, refreshAfter: SELDOM });
    for (let attempts = 1; attempts < OFTEN; attempts++) {
      await settled(name, code, attempts);
      await place.touch(name);
    }
    await settled(name, code, OFTEN);
  }

  it("a path that is missing is said to be", async () => {
    await place.declare("late");
    assert.match(await place.failed("late", "VAULT_PATH_MISSING"), /kv\/data\/late/);
    await world.vault.putKv("kv", "late", { password: PASSWORD });
  });

  it("a path that is forbidden keeps its Secret, and is read at once when the declaration is touched", async () => {
    await allow(["kv/data/good", "kv/data/late"]);
    await world.vault.putKv("kv", "closed", { password: PASSWORD });
    const declaredAt = Date.now();
    await place.declare("closed");
    assert.match(await place.failed("closed", "VAULT_DENIED"), /kv\/data\/closed/);
    const next = Date.parse((await settled("closed", "VAULT_DENIED")).nextAt ?? "");
    assert.ok(next - declaredAt >= SOONEST_RECHECK_MS, `the next run is ${next - declaredAt} ms after the declaration`);
    assert.ok(next - Date.now() <= LATEST_RECHECK_MS, `the next run is in ${next - Date.now()} ms`);
    await failsForLong("closed", "VAULT_DENIED");
    await allow(["kv/*", "kv1/*"]);
    await place.touch("closed");
    await place.synced("closed", SEEN_MS);

    await place.declare("closed");
    await allow(["kv/data/good", "kv/data/late"]);
    await place.failed("closed", "VAULT_DENIED");
    await failsForLong("closed", "VAULT_DENIED");
    assert.equal((await place.secret("closed"))?.data.password, PASSWORD);
    await allow(["kv/*", "kv1/*"]);
    await place.touch("closed");
    await place.synced("closed", SEEN_MS);
  });

  it("a login that is refused says what to check, and not with which token", async () => {
    await login("nobody", { role: "no-such-role", serviceAccount: "app" });
    await place.declare("nobody", { path: "good", vaultAuthRef: "nobody" });
    assert.match(await place.failed("nobody", "VAULT_LOGIN_REFUSED"), /auth\/kubernetes-one\/login/);
    await failsForLong("nobody", "VAULT_LOGIN_REFUSED", { path: "good", vaultAuthRef: "nobody" });
    await login("nobody", { role: ROLE, serviceAccount: "app" });
    await place.synced("nobody", SEEN_MS);
  });

  it("a version that was deleted keeps its Secret, until it is undeleted or another one is written", async () => {
    await world.vault.putKv("kv", "soft", { password: PASSWORD });
    await place.declare("soft");
    await place.synced("soft");
    await world.vault.remove("kv/data/soft");
    assert.match(await place.failed("soft", "VAULT_PATH_MISSING"), /deleted/);
    assert.equal((await place.secret("soft"))?.data.password, PASSWORD);
    await failsForLong("soft", "VAULT_PATH_MISSING");
    await world.vault.write("kv/undelete/soft", { versions: [1] });
    await place.touch("soft");
    await place.synced("soft", SEEN_MS);
  });

  it("data that no Secret can hold is refused by name and size, and the Secret stays", async () => {
    await world.vault.putKv("kv", "keys", { password: PASSWORD });
    await place.declare("keys");
    await place.synced("keys");
    await world.vault.putKv("kv", "keys", { "not a key!": PASSWORD });
    assert.match(await place.failed("keys", "SECRET_REFUSED"), /"not a key!"/);
    const { password } = (await place.secret("keys"))?.data ?? {};
    assert.equal(password, PASSWORD);

    await world.vault.putKv("kv", "large", { blob: "x".repeat(600_000) });
    await place.declare("large");
    assert.match(await place.failed("large", "SECRET_TOO_LARGE"), /excludeRaw/);
    await failsForLong("large", "SECRET_TOO_LARGE");
    const transformation = { excludeRaw: true };
    await place.declare("large", { destination: { name: "large", create: true, transformation } });
    await place.synced("large", SEEN_MS);

    await world.vault.putKv("kv1", "raw", { _raw: PASSWORD });
    await place.declare("raw", { type: "kv-v1", mount: "kv1" });
    await place.failed("raw", "TRANSFORM_FAILED");
  });

  it("an engine of another version is said to be one", async () => {
    await place.declare("wrong-1", { path: "good", type: "kv-v1" });
    await place.failed("wrong-1", "VAULT_PATH_MISSING");
    await world.vault.putKv("kv1", "flat", { password: PASSWORD });
    await place.declare("wrong-2", { path: "flat", mount: "kv1" });
    await place.failed("wrong-2", "VAULT_PATH_MISSING");
  });

  const answers: readonly (readonly [name: string, code: string, answer: Parameters<typeof brokenVault>[0]])[] = [
    ["text", "VAULT_ANSWER_INVALID", (response) => response.end("<html>hello</html>")],
    ["cut-json", "VAULT_ANSWER_INVALID", (response) => response.end('{"data":{"data":{"password":"')],
    ["no-data", "VAULT_ANSWER_INVALID", (response) => json(response, {})],
    ["list", "VAULT_ANSWER_INVALID", (response) => json(response, { data: { data: ["a"], metadata: {} } })],
    ["no-version", "VAULT_ANSWER_INVALID", (response) => json(response, { data: { data: {}, metadata: {} } })],
    ["not-utf8", "VAULT_ANSWER_INVALID", (response) => response.end(Buffer.from([0x22, 0xff, 0xfe, 0x22]))],
    ["deep", "VAULT_ANSWER_INVALID", (response) => response.end(`{"data":${"[".repeat(100_000)}`)],
    ["huge", "VAULT_ANSWER_INVALID", (response) => response.end("x".repeat(17 * 1024 * 1024))],
    ["loop", "VAULT_ANSWER_INVALID", (response) => response.writeHead(307, { location: "/v1/kv/data/good" }).end()],
    ["teapot", "VAULT_ANSWER_INVALID", (response) => json(response, { errors: [PASSWORD] }, 418)],
    ["broken", "VAULT_FAILED", (response) => json(response, { errors: [PASSWORD] }, 500)],
    ["gateway", "VAULT_UNAVAILABLE", (response) => response.writeHead(502).end("bad gateway")],
    ["hangs-up", "VAULT_UNAVAILABLE", (response) => response.destroy()],
  ];

  it("answers that are malformed or huge are invalid or outages of that Vault alone", async () => {
    await using parts = new AsyncDisposableStack();
    const broken: BrokenVault[] = [];
    for (const [name, , answer] of answers) {
      const peer = parts.use(await brokenVault(answer));
      broken.push(peer);
      await login(name, { role: ROLE, serviceAccount: "app" }, { address: peer.address });
      await place.declare(name, { path: "good", vaultAuthRef: name });
    }
    for (const [name, code] of answers) await place.failed(name, code);
    for (const [name] of answers) assert.equal(await place.secret(name), undefined);
    for (const [name] of answers) await place.undeclare(name);
  });

  it("a Vault that never answers holds others up for one time-out at most, one probe stands for all, and a corrected address counts at once", async () => {
    await using silent = await brokenVault(() => undefined);
    const names = Array.from({ length: 40 }, (_, number) => `silent-${number}`);
    await world.vault.putKv("kv", "beside", { password: PASSWORD });
    for (const name of names) {
      await login(name, { role: ROLE, serviceAccount: "app" }, { address: silent.address });
      await place.declare(name, { path: "good", vaultAuthRef: name });
    }
    await place.declare("beside");
    // One after the other, their time-outs of 8 s would take more than five minutes.
    await place.synced("beside");
    const isWaiting = ({ state, error }: StatusAnswer["syncs"][number]) =>
      state === "waiting" && error?.code === "VAULT_UNAVAILABLE";
    const allWait = ({ syncs }: StatusAnswer) => syncs.filter(isWaiting).length === names.length;
    await statusThat(world, "all of them to be shown as waiting", allWait);
    const { reads } = silent;
    await world.vault.putKv("kv", "beside", { password: `${PASSWORD}-2` });
    await place.secretThat("beside", ({ data }) => data.password === `${PASSWORD}-2`);
    await sleep(SILENCE_MS);
    assert.equal(silent.reads, reads, "reads while the circuit is open");
    await login("silent-0", { role: ROLE, serviceAccount: "app" }, { address: world.vault.address });
    await place.synced("silent-0", 60_000);
    for (const name of names) await place.undeclare(name);
    const allGone = ({ syncs }: StatusAnswer) => !syncs.some(({ key }) => key.includes("/silent-"));
    await statusThat(world, "clean-ups that wait for no Vault", allGone, 60_000);
  });

  it("the path that was missing was found by itself", () => place.synced("late"));

  it("and nothing of it shows a value", async () => {
    assert.equal((await place.secret("good"))?.data.password, PASSWORD);
    assert.deepEqual(
      engine.logs.filter(({ level }) => level === "error"),
      [],
    );
    await assertNoLeak(world, engine, [PASSWORD, "hvs.of-a-broken-vault"]);
  });
});
