import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type Profiler, Session } from "node:inspector/promises";
import { after, before, describe, it } from "node:test";
import { servedByFleet } from "../../cli/injector/served.ts";
import { webhook } from "../../lib/admission/webhook.ts";
import { parseFleet } from "../../lib/fleet/fleet.ts";
import { keyHash, keyOf } from "../../lib/injector-keys.ts";

const newKey = (): string => keyOf(randomBytes(32));
const [EAST, EAST_BEFORE, WEST, MANAGED] = Array.from({ length: 4 }, newKey) as [string, string, string, string];

/** Paths that say why their key is wrong. */
const WRONG: Readonly<Record<string, string>> = {
  "another key": `/c/east/${newKey()}/mutate`,
  "all but the last character": `/c/east/${EAST.slice(0, -1)}${EAST.endsWith("A") ? "B" : "A"}/mutate`,
  "all but the first character": `/c/east/${EAST.startsWith("A") ? "B" : "A"}${EAST.slice(1)}/mutate`,
  "that of another cluster": `/c/east/${WEST}/mutate`,
  "one for a cluster with one key": `/c/west/${EAST}/mutate`,
  "one for a cluster whose keys keyferry manages": `/c/managed/${EAST}/mutate`,
  "one for a cluster without keys": `/c/bare/${EAST}/mutate`,
  "one for a cluster that does not exist": `/c/nowhere/${EAST}/mutate`,
  "one that is too short": `/c/east/${EAST.slice(1)}/mutate`,
  "one that is too long": `/c/east/${EAST}A/mutate`,
  "one of characters that no key has": `/c/east/${"%2F".repeat(14)}/mutate`,
  "one character": "/c/east/k/mutate",
};

const FLEET = parseFleet(
  JSON.stringify({
    apiVersion: "keyferry.dev/v1alpha1",
    kind: "Fleet",
    clusters: Object.entries({ east: [EAST, EAST_BEFORE], west: [WEST], managed: [], bare: [] }).map(
      ([name, keys]) => ({
        name,
        connect: { kubeconfig: { path: name } },
        injector: { keys: keys.map(keyHash) },
      }),
    ),
  }),
  "fleet.yaml",
);

/** Times differ on every machine. What V8 counts of each function does not. */
describe("a wrong key", () => {
  const session = new Session();
  let unknown = 0;
  const { at } = webhook({
    served: servedByFleet(
      () => FLEET,
      { of: (name) => (name === "managed" ? [MANAGED] : []) },
      () => 0,
    ),
    onFinished: () => assert.fail("nothing is reviewed"),
    onUnknownKey: () => void unknown++,
    elapsed: () => 0,
  });

  before(async () => {
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
    // What is done once is done.
    for (const path of Object.values(WRONG)) at(path);
    await taken();
  });
  after(() => session.disconnect());

  async function taken(): Promise<readonly Profiler.ScriptCoverage[]> {
    return (await session.post("Profiler.takePreciseCoverage")).result;
  }

  /** How often each part of the comparison ran, and each function of the webhook. */
  async function wayOf(path: string): Promise<object> {
    await taken();
    const review = at(path);
    const scripts = await taken();
    assert.equal(review, undefined);
    const functions = (file: string) =>
      (scripts.find(({ url }) => url.endsWith(file)) ?? assert.fail(`${file} did not run`)).functions;
    return {
      comparison: functions("/lib/injector-keys.ts").map(({ functionName, ranges }) => [functionName, ranges]),
      webhook: functions("/lib/admission/webhook.ts").map(({ functionName, ranges }) => [
        functionName,
        ranges[0]?.count,
      ]),
    };
  }

  it("of any kind takes the same way to its 404", async () => {
    const usual = await wayOf(WRONG["another key"] ?? "");
    assert.match(JSON.stringify(usual), /"isOneOf"/);
    const before = unknown;
    for (const [kind, path] of Object.entries(WRONG)) assert.deepEqual(await wayOf(path), usual, kind);
    assert.equal(unknown - before, Object.keys(WRONG).length, "each is counted");
  });

  it("takes another way than a right one, so that the comparison above can fail", async () => {
    for (const path of [`/c/east/${EAST}/mutate`, `/c/east/${EAST_BEFORE}/mutate`, `/c/managed/${MANAGED}/mutate`]) {
      assert.ok(at(path), "a right key");
    }
    const before = unknown;
    assert.equal(at("/c/east/mutate"), undefined);
    assert.equal(unknown, before, "a path of another form is not even a wrong key");
  });
});
