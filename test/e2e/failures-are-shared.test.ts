import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { dataDirOf, keyferry, type RunningEngine, startEngine } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import type { Place } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { statusThat } from "./support/status-that.ts";
import { authMount, ROLE, type World } from "./support/world.ts";

const NS = "team-a";
const API = "secrets.hashicorp.com/v1beta1";
const PASSWORD = "Jd8-correct-horse-battery";
const MANY = Array.from({ length: 30 }, (_, number) => number);
/** A minute, and what a busy machine may take beside. */
const WITHIN_A_MINUTE_MS = 90_000;

describe("what is mended outside is seen soon, asked for once for all, and at once for who asks", () => {
  let world: World;
  let engine: RunningEngine;
  let place: Place;

  before(async () => {
    ({ world, place } = await startPlace(NS));
    await world.vault.putKv("kv", "good", { password: PASSWORD });
    engine = await startEngine(world);
  });
  after(() => endAll(engine, world));

  const login = async (name: string, role: string, serviceAccount = "app"): Promise<void> => {
    const vaultConnectionRef = "vault-secrets-operator-system/default";
    const kubernetes = { role, serviceAccount };
    const spec = { method: "kubernetes", mount: authMount(place.cluster), vaultConnectionRef, kubernetes };
    await place.cluster.apply({ apiVersion: API, kind: "VaultAuth", metadata: { name, namespace: NS }, spec });
  };
  const makeRole = (role: string) =>
    world.vault.write(`auth/${authMount(place.cluster)}/role/${role}`, {
      ...{ bound_service_account_names: ["*"], bound_service_account_namespaces: ["*"] },
      ...{ token_policies: [ROLE], token_ttl: "1h" },
    });
  const key = (name: string) => `one/VaultStaticSecret/${NS}/${name}`;
  const asked = async (name: string) =>
    keyferry(["sync", key(name), "--wait", "-o", "json", "--data-dir", dataDirOf(world)]);
  const reads = async (path: string) => (await world.vault.auditedReads()).get(`read kv/data/${path}`) ?? 0;
  const failed = (prefix: string, code: string) =>
    statusThat(world, `all ${prefix} to fail`, ({ syncs }) => {
      const ours = syncs.filter((sync) => sync.key.includes(`/${prefix}-`));
      return ours.length === MANY.length && ours.every(({ error }) => error?.code === code);
    });

  // None has to do with the failures of another.
  describe("at once", { concurrency: 3 }, () => {
    it("many syncs of one missing path read it once each time, and all have it within a minute", async () => {
      for (const number of MANY) await place.declare(`late-${number}`, { path: "late" });
      await failed("late", "VAULT_PATH_MISSING");
      const before = await reads("late");
      await place.cluster.waitFor("another run", async () => (await reads("late")) > before, WITHIN_A_MINUTE_MS);
      assert.ok((await reads("late")) - before < MANY.length / 2);
      await world.vault.putKv("kv", "late", { password: PASSWORD });
      const end = performance.now() + WITHIN_A_MINUTE_MS;
      for (const number of MANY) await place.synced(`late-${number}`, Math.max(1_000, end - performance.now()));
    });

    it("sync --wait right after the role was made says that it works, and wakes those that waited for it", async () => {
      await login("unborn", "unborn");
      for (const number of MANY) {
        await place.declare(`login-${number}`, { path: "good", vaultAuthRef: "unborn", refreshAfter: "12h" });
      }
      await failed("login", "VAULT_LOGIN_REFUSED");
      const refused = await asked("login-0");
      assert.equal(refused.code, 1, refused.stderr);
      assert.match(refused.stdout, /VAULT_LOGIN_REFUSED/);
      await makeRole("unborn");
      const works = await asked("login-0");
      assert.equal(works.code, 0, works.stdout);
      for (const number of MANY) await place.synced(`login-${number}`, WITHIN_A_MINUTE_MS);
    });

    it("a service account that was missing is found by itself", async () => {
      await login("robot", ROLE, "robot");
      await place.declare("robot", { path: "good", vaultAuthRef: "robot" });
      await place.failed("robot", "REFERENCE_MISSING", undefined, /ServiceAccount team-a\/robot/);
      await place.cluster.apply({
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { name: "robot", namespace: NS },
      });
      await place.synced("robot", WITHIN_A_MINUTE_MS);
    });
  });

  it("says no value anywhere", () => assertNoLeak(world, engine, [PASSWORD]));
});
