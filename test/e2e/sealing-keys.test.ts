import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../harness/index.ts";
import { dataDirOf, keyferry, type RunningEngine, startEngine, status } from "./support/engine.ts";
import { aDynamicSecret, type IssuingPlace, startIssuing } from "./support/issuing.ts";
import { sum } from "./support/metric-sums.ts";

const NS = "team-a";
/** The credential outlives the time between two engines, also on a machine that is busy. */
const TTL = "60s";

describe("another key in tokens.key", () => {
  let issuing: IssuingPlace;

  before(async () => {
    issuing = await startIssuing(NS);
    await issuing.world.vault.putDatabaseRole("app", { defaultTtl: TTL, maxTtl: "1h" });
    await issuing.cluster.apply(aDynamicSecret(NS, "db"));
  });
  after(() => issuing?.[Symbol.asyncDispose]());

  const keyFile = () => join(dataDirOf(issuing.world), "tokens.key");
  const told = (engine: RunningEngine, event: string) => engine.logs.find((line) => line.event === event);
  const user = async () => {
    const { data } = await issuing.place.secretThat("db", ({ data }) => data.password !== undefined);
    assert.equal(await issuing.postgres.login(data.username ?? "", data.password ?? ""), true);
    return data.username;
  };
  const renewals = async (engine: RunningEngine) =>
    sum(await engine.metrics(), "keyferry_issue_renewals_total", { result: "renewed" });

  it("encrypts anew the tokens of credentials, until the former key may go", async () => {
    let first: string | undefined;
    {
      await using engine = await startEngine(issuing.world);
      first = await user();
      await waitFor("the credential to be in use", async () => {
        const held = sum(await engine.metrics(), "keyferry_issues", { cluster: "one", state: "live" });
        return held === 1;
      });
      assert.equal(told(engine, "tokens-resealed"), undefined);
      await engine.stop();
    }
    const former = await readFile(keyFile(), "utf8");
    const present = randomBytes(32).toString("base64");
    await writeFile(keyFile(), `${present}\n${former}`);
    assert.deepEqual((await status(issuing.world, { args: ["--leases"] })).leases?.[0]?.needsFormerKey, true);
    {
      await using engine = await startEngine(issuing.world);
      const line = await waitFor("the sweep", async () => told(engine, "tokens-resealed"));
      assert.deepEqual([line.resealed, line.left, line.unreadable], [1, 0, 0]);
      assert.equal((await status(issuing.world, { args: ["--leases"] })).leases?.[0]?.needsFormerKey, undefined);
      await engine.stop();
    }
    await writeFile(keyFile(), `${present}\n`);
    await using engine = await startEngine(issuing.world);
    await waitFor("a renewal", async () => (await renewals(engine)) > 0, 120_000);
    assert.equal(await user(), first);
    assert.equal(told(engine, "issue-unreadable"), undefined);
  });

  it("is nothing that explain shows: it tells of the lease", async () => {
    const key = `one/VaultDynamicSecret/${NS}/db`;
    const args = ["--data-dir", dataDirOf(issuing.world)];
    const { stdout } = await keyferry(["explain", key, ...args, "-o", "json"]);
    const { issues } = JSON.parse(stdout) as { issues: readonly object[] };
    const [lease] = await issuing.leases();
    const { issuedAt: _at, renewedEvery, ...rest } = issues[0] as Record<string, unknown>;
    assert.deepEqual(rest, { state: "live", lease, because: "in use" });
    assert.equal(typeof renewedEvery, "number");
    assert.doesNotMatch(stdout, /sealedToken/);
  });
});
