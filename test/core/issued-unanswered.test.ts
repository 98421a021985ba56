import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aDynamicSecret, anIssuingWorld, askedOf, DYNAMIC, logsIn, writtenIn } from "./world/issuing.ts";
import { failed } from "./world/vault/answers.ts";
import type { Fault } from "./world/vault/serve.ts";
import type { World } from "./world/world.ts";

const CREDS = "database/creds/app";
const AWAY = failed(500, "1 error occurred:\n\t* failed to connect: connection refused\n\n");
const LIMITED = failed(429, 'request path "database/creds/app": rate limit quota exceeded');

/** Requests for a credential meet this, from now on; the requests so far are counted. */
function asked(world: World, fault: () => Fault | undefined): () => number {
  let times = 0;
  world.vault.meddle(({ path }) => {
    if (path !== CREDS) return undefined;
    times += 1;
    return fault();
  });
  return () => times;
}

/** The codes of `Ready` meanwhile, looked at each 20 s. */
async function codesIn(world: World, minutes: number): Promise<ReadonlySet<string>> {
  const codes = new Set<string>();
  for (let left = minutes * 3; left > 0; left--) {
    await world.advance("20s");
    codes.add(/^False: (\w+)/.exec(world.condition("db", "Ready", DYNAMIC))?.[1] ?? "");
  }
  return codes;
}

describe("a credential that Vault does not issue", () => {
  it("is asked for again however long that takes, and a repair is noticed within five minutes", async () => {
    for (const [answer, code] of [
      [AWAY, "VAULT_FAILED"],
      [LIMITED, "VAULT_THROTTLED"],
      [failed(403, "1 error occurred:\n\t* permission denied\n\n"), "VAULT_DENIED"],
      [failed(404), "VAULT_PATH_MISSING"],
    ] as const) {
      await using world = await anIssuingWorld();
      asked(world, () => ({ instead: answer }));
      await world.given(aDynamicSecret());
      const codes = await codesIn(world, 30);
      assert.deepEqual(new Set([...codes, code]), codes, code);
      assert.equal(codes.has("ISSUES_TOO_FREQUENT"), false, code);
      world.vault.meddle(undefined);
      await world.advance("5m");
      assert.match(world.condition("db", "Ready", DYNAMIC), /^True/, code);
      assert.equal(await logsIn(world), true, code);
    }
  });

  it("parks none of many syncs that share a rate limit: each gets its own", async () => {
    await using world = await anIssuingWorld();
    let last = 0;
    asked(world, () => {
      if (world.time.now() - last < 5_000) return { instead: LIMITED };
      last = world.time.now();
      return undefined;
    });
    const names = Array.from({ length: 20 }, (_, index) => `s${index}`);
    await world.given(...names.map((name) => aDynamicSecret(name)));
    await world.advance("20m");
    for (const name of names) assert.match(world.condition(name, "Ready", DYNAMIC), /^True/, name);
  });

  it("is asked for at most once a minute while nobody knows what Vault did, also where the Secret is edited on and on", async () => {
    for (const fault of [{ instead: AWAY }, { answer: "swallowed" }] as const) {
      await using world = await anIssuingWorld();
      await world.given(aDynamicSecret());
      await world.advance("10s");
      const times = asked(world, () => fault);
      for (let minutes = 0; minutes < 20; minutes++) {
        for (let edits = 0; edits < 3; edits++) {
          await world.edit("Secret", "db", { data: { password: "eA==" } });
          await world.advance("20s");
        }
        assert.ok(world.vault.liveLeases().length <= 4, "no fifth one while four have not ended");
      }
      assert.ok(times() >= 8 && times() <= 26, `${times()} requests in twenty minutes`);
      world.vault.meddle(undefined);
      await world.advance("5m");
      assert.equal(await logsIn(world), true);
      assert.equal(world.vault.liveLeases().length, 1);
    }
  });

  it("is not said to be valid in Vault where nobody knows", async () => {
    await using world = await anIssuingWorld();
    asked(world, () => ({ instead: AWAY }));
    await world.given(aDynamicSecret());
    await world.advance("30s");
    assert.match(
      world.condition("db", "Ready", DYNAMIC),
      /^False: ISSUES_UNENDED: 4 requests of this sync for a credential have not ended yet, and of 4 nobody knows/,
    );
  });

  it("costs those that run nothing when the database was away for half an hour", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putDatabaseRole("app", { defaultTtl: "1h", maxTtl: "24h" });
    const names = ["a", "b", "c", "d"];
    await world.given(...names.map((name) => aDynamicSecret(name)));
    await world.advance("1m");
    world.vault.meddle(({ path }) => {
      if (path === CREDS) return { instead: AWAY };
      return path.startsWith("sys/leases/renew") ? { instead: failed(400, "failed to renew entry") } : undefined;
    });
    await world.advance("30m");
    world.vault.meddle(undefined);
    await world.advance("5m");
    for (const name of names) {
      assert.match(world.condition(name, "Ready", DYNAMIC), /^True/, name);
      assert.equal(await logsIn(world, name), true, name);
    }
  });

  it("is parked after six answers in ten minutes, whatever was refused in between", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret("db", { annotations: { "keyferry.dev/revoke-replaced": "0s" } }));
    await world.advance("10s");
    let nth = 0;
    const issued = async () => {
      asked(world, () => (nth++ % 2 === 0 ? { instead: LIMITED } : undefined));
      for (let times = 0; times < 10; times++) {
        await world.edit("Secret", "db", { data: { password: "eA==" } });
        await world.advance("20s");
      }
    };
    const audited = await askedOf(world, issued);
    assert.equal(audited[`read ${CREDS}`], 5, "with the first one: six");
    assert.match(world.condition("db", "Ready", DYNAMIC), /^False: ISSUES_TOO_FREQUENT: Vault issued 6/);
  });
});

describe("a credential that Vault has ended", () => {
  const endAll = async (world: World) => {
    for (const { id } of world.vault.liveLeases()) await world.vault.write("sys/leases/revoke", { lease_id: id });
  };

  it("makes a parked sync due once, and not with each slot of its renewals", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret("db", { annotations: { "keyferry.dev/revoke-replaced": "0s" } }));
    await world.advance("10s");
    for (let times = 0; times < 7; times++) {
      await world.edit("Secret", "db", { data: { password: "eA==" } });
      await world.advance("20s");
    }
    assert.match(world.condition("db", "Ready", DYNAMIC), /^False: ISSUES_TOO_FREQUENT/);
    await endAll(world);
    await world.advance("2m");
    const { claim = 0 } = await writtenIn(world, () => world.advance("1h"));
    assert.ok(claim <= 6, `${claim} claims: a poll each ten minutes sees an edited Secret`);
  });

  it("is asked for by the pauses of its sync, and not with each slot of its renewals", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("10s");
    const times = asked(world, () => ({ instead: failed(403, "1 error occurred:\n\t* permission denied\n\n") }));
    await endAll(world);
    await world.advance("1h");
    assert.ok(times() >= 15 && times() <= 35, `${times()} requests in an hour`);
    world.vault.meddle(undefined);
    await world.advance("5m");
    assert.equal(await logsIn(world), true);
  });
});
