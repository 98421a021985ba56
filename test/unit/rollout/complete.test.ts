import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ErrorCode, SyncError } from "../../../lib/errors.ts";
import { syncKey } from "../../../lib/keys.ts";
import type { SeenTarget } from "../../../lib/ports/workloads.ts";
import { rolloutComplete } from "../../../lib/rollout/complete.ts";

const SINCE = Date.parse("2026-01-01T00:00:00Z");
const NOW = SINCE + 60_000;
const KEY = syncKey({ cluster: "prod", kind: "VaultDynamicSecret", namespace: "shop", name: "db" });
const forever = new AbortController().signal;

const seen = (more: Partial<SeenTarget> = {}): SeenTarget => ({
  ...{ resourceVersion: "1", createdAt: SINCE - 1, restartTimes: [SINCE], paused: false, deleting: false },
  isComplete: true,
  ...more,
});
const { isComplete: _, ...UNTOLD } = seen();
const refused = (code: ErrorCode) => new SyncError(code, "no");

/** Asks about one target for each of these, and tells which were read. */
async function asked(...found: readonly (SeenTarget | SyncError | undefined)[]) {
  const read: string[] = [];
  const rollouts = {
    async get({ cluster, namespace, name }: { cluster: string; namespace: string; name: string }) {
      read.push(`${cluster}/${namespace}/${name}`);
      const one = found[Number(name)];
      if (one instanceof SyncError) throw one;
      return one;
    },
    restart: () => assert.fail("nothing is restarted"),
  };
  const targets = found.map((_found, at) => ({ kind: "Deployment", name: `${at}` }) as const);
  return { answer: await rolloutComplete({ rollouts, clock: () => NOW }, KEY, targets, SINCE, forever), read };
}

describe("whether all rollout targets run with the new data", () => {
  it("yes, when each was restarted or created since, and is complete", async () => {
    const { answer, read } = await asked(seen(), seen({ createdAt: SINCE, restartTimes: [SINCE - 5] }));
    assert.equal(answer, 30_000, "what Kubernetes gives pods to end");
    assert.deepEqual(read, ["prod/shop/0", "prod/shop/1"]);
  });

  it("and how long pods from before may take to end, of the target with the longest grace period", async () => {
    const graces = [0, 300, undefined].map((graceSeconds) => seen(graceSeconds === undefined ? {} : { graceSeconds }));
    assert.equal((await asked(...graces)).answer, 300_000);
    assert.equal((await asked(seen({ graceSeconds: 0 }))).answer, 0);
  });

  const cases: readonly (readonly [string, SeenTarget | SyncError | undefined])[] = [
    ["was not restarted since", seen({ restartTimes: [SINCE - 1] })],
    ["was restarted in the future", seen({ restartTimes: [NOW + 3_600_000] })],
    ["is not complete", seen({ isComplete: false })],
    ["is being deleted", seen({ deleting: true })],
    ["is missing, since its name may be wrong", undefined],
    ["failed to be read", refused("KUBE_FAILED")],
    ["does not tell", UNTOLD],
    ["may not be read", refused("KUBE_DENIED")],
    ["is of a kind that the cluster does not serve", refused("KUBE_REJECTED")],
  ];
  for (const [what, found] of cases) {
    it(`no, when one ${what}`, async () => {
      assert.equal((await asked(seen(), found)).answer, undefined);
    });
  }

  it("reads none after the first that is not complete", async () => {
    assert.deepEqual((await asked(undefined, seen())).read, ["prod/shop/0"]);
  });

  it("nobody knows without targets", async () => {
    assert.equal((await asked()).answer, undefined);
  });

  it("throws what ends a run", async () => {
    const isUnreachable = (error: unknown) => error instanceof SyncError && error.code === "KUBE_UNREACHABLE";
    await assert.rejects(asked(refused("KUBE_UNREACHABLE")), isUnreachable);
  });
});
