import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DestinationApis } from "../../../../lib/destinations/destination.ts";
import { kubernetesSecrets } from "../../../../lib/destinations/kubernetes-secret/kubernetes-secret.ts";
import type { WantedSecret } from "../../../../lib/destinations/kubernetes-secret/state.ts";
import { digestKey, digestOf } from "../../../../lib/digest.ts";
import { SyncError } from "../../../../lib/errors.ts";
import { desiredLabels } from "../../../../lib/owner-labels.ts";
import { simulatedClaim } from "../../../../lib/plan/simulated-claim.ts";
import type { Claim } from "../../../../lib/ports/claim.ts";
import type { Row } from "../../../../lib/ports/rows.ts";
import type { SeenSecret } from "../../../../lib/ports/secrets.ts";
import { converge } from "../../../../lib/reconcile/converge.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import { aDeclared, aRow } from "../../../builders.ts";
import { QUIET } from "../../aws/records.ts";

const KEY = digestKey(Buffer.alloc(32, 1));
const declared = aDeclared();
const OWNER = { apiVersion: "secrets.hashicorp.com/v1beta1", kind: "VaultStaticSecret", name: "db", uid: declared.uid };
const WANTED: WantedSecret = {
  ...{ name: "db", create: true, overwrite: false, type: "Opaque", annotations: {} },
  labels: desiredLabels({}, declared.uid),
};
const dataOf = (text: string) => new Map([["password", SecretValue.of(text)]]);
const forever = new AbortController().signal;

const THERE: SeenSecret = {
  ...{ uid: "u1", resourceVersion: "7", type: "Opaque", immutable: false, deleting: false },
  ...{ labels: WANTED.labels, annotations: {}, ownerReferences: [OWNER], data: dataOf("old") },
  managed: { fingerprint: "m", ours: false, vso: true },
};

interface Given {
  readonly row?: Row;
  readonly observe?: "watch" | "apply";
  readonly restarts?: boolean;
  readonly there?: SeenSecret;
  /** Refuses the first apply by its precondition. */
  readonly conflicts?: boolean;
  /** The type that a Secret has, which can't be changed. */
  readonly typed?: string;
  /** The API server refuses another type until the Secret is deleted. */
  readonly refusesType?: boolean;
  /** A creation would be refused, as a dry run tells. */
  readonly deniesNew?: boolean;
  /** Data keys that others own. */
  readonly foreignKeys?: readonly string[];
  /** The run has the row already. */
  readonly isTaken?: boolean;
  /** An apply changes what is there, whatever the row knows. */
  readonly moves?: boolean;
  /** How often the lease is still there when it is demanded. */
  readonly demands?: number;
}

/** Converges once, before a cluster that holds at most one Secret; answers what was done, in order. */
async function done({ row = aRow({ declared }), observe = "watch", restarts = false, moves = false, ...world }: Given) {
  const events: string[] = [];
  let { there, conflicts = false, typed, foreignKeys = [], refusesType = false, demands = 100 } = world;
  const { deniesNew = false } = world;
  const written = (resourceVersion: string) => {
    there = { ...(there ?? THERE), resourceVersion, managed: { fingerprint: "m", ours: true, vso: false } };
    return { ...there, managed: there.managed, foreignKeys };
  };
  const apis = {
    digestKey: KEY,
    log: QUIET,
    secrets: {
      async observe() {
        events.push("observe");
        return there;
      },
      async apply(_secret: unknown, _desired: unknown, precondition: { kind: string; resourceVersion?: string }) {
        events.push(`apply ${precondition.resourceVersion ?? precondition.kind}`);
        if (conflicts) {
          conflicts = false;
          throw new SyncError("KUBE_CONFLICT", "it changed");
        }
        if (typed !== undefined || refusesType) throw new SyncError("SECRET_TYPE_DIFFERS", "its type cannot change");
        return written(moves ? "9" : (precondition.resourceVersion ?? "8"));
      },
      async rehearse({ name }: { name: string }, { precondition }: { precondition: { kind: string } }) {
        events.push(`rehearse ${name === "db" ? "db" : "another"} ${precondition.kind}`);
        if (deniesNew) throw new SyncError("ADMISSION_DENIED", "no such type here");
      },
      async takeOverFields() {
        events.push("take over");
        return written("8");
      },
      async remove() {
        events.push("remove");
        refusesType = false;
        if (typed !== undefined) [there, typed] = [undefined, undefined];
      },
      async dropKeys(_secret: unknown, keys: readonly string[]) {
        events.push(`drop ${keys}`);
        foreignKeys = [];
        return written("9");
      },
      ownedNames: async () => [],
    },
    origin: { owner: OWNER, mustBeDeclared: async () => undefined },
  } as unknown as DestinationApis;
  const simulated = simulatedClaim(row);
  let { isTaken = false } = world;
  const claim: Claim = {
    ...simulated,
    get row() {
      return simulated.row;
    },
    get isTaken() {
      return isTaken;
    },
    async takeToWrite() {
      if (!isTaken) events.push("claim");
      isTaken = true;
      if (demands-- <= 0) throw new SyncError("LEASE_LOST", "it ends too soon");
      return simulated.takeToWrite();
    },
    async record(learned) {
      events.push(`record ${Object.keys(learned).join(" ")}`);
      await simulated.record(learned);
    },
  };
  const data = dataOf("new");
  const resolved = {
    destination: WANTED,
    rolloutTargets: restarts ? [{ kind: "Deployment", name: "app" } as const] : [],
  };
  const about = { row, settings: { observe }, resolved, data, digest: digestOf(KEY, data) };
  const destination = kubernetesSecrets.toWrite(apis, about);
  try {
    const learned = destination.learned(await converge(destination, claim, forever));
    return { events, learned, state: claim.row.state };
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== "LEASE_LOST") throw error;
    return { events: [...events, "lost"], learned: { owned: [] }, state: claim.row.state };
  }
}

/** In step with its declaration, as far as the row knows. */
const inStep = (digest: string): Row =>
  aRow({
    declared,
    state: {
      ...aRow().state,
      ...{ digest, appliedHash: declared.hash },
      owned: [{ name: "db", uid: "u1", resourceVersion: "7", managed: "m", type: "Opaque" }],
    },
  });
const SAME = digestOf(KEY, dataOf("new"));
const OTHER = digestOf(KEY, dataOf("old"));

const OURS: SeenSecret = { ...THERE, managed: { fingerprint: "m", ours: true, vso: false } };
const OF_A_TYPE: SeenSecret = { ...OURS, type: "kubernetes.io/tls" };
const TRIED = "rehearse another absent";

describe("a Secret of the cluster, brought to what is wanted", () => {
  it("is left alone, unclaimed and unasked, where the row says that it is so already", async () => {
    assert.deepEqual((await done({ row: inStep(SAME), there: THERE })).events, []);
  });

  it("is claimed before the first write, and not before", async () => {
    const { events, learned } = await done({ row: inStep(OTHER), there: THERE });
    assert.deepEqual(events, ["claim", "apply 7"]);
    assert.deepEqual(
      learned.owned.map(({ name, resourceVersion }) => [name, resourceVersion]),
      [["db", "7"]],
    );
  });

  it("lease-table 7: is asserted again without a claim where it may not be read", async () => {
    const { events, learned } = await done({ row: inStep(SAME), there: THERE, observe: "apply" });
    assert.deepEqual([events, learned.wrote], [["apply 7"], undefined]);
  });

  it("lease-table 7: is asserted again under the claim of a run that has one, and says so where that changed it", async () => {
    const given = { row: inStep(SAME), there: THERE, observe: "apply", isTaken: true } as const;
    const { events, learned } = await done(given);
    assert.deepEqual([events, learned.wrote], [["apply 7"], undefined]);
    assert.equal((await done({ ...given, moves: true })).learned.wrote, "observe: apply");
  });

  it("is written for a reason that is told, once it was changed by that", async () => {
    const made = await done({ row: aRow({ declared }) });
    assert.equal(made.learned.wrote, "created");
    const same = await done({ row: inStep(OTHER), there: OURS });
    assert.equal(same.learned.wrote, undefined);
    const changed = await done({ row: inStep(OTHER), there: OURS, moves: true });
    assert.equal(typeof changed.learned.wrote, "string");
    const cleared = await done({ row: inStep(OTHER), there: OURS, foreignKeys: ["theirs"] });
    assert.equal(cleared.learned.wrote, changed.learned.wrote, "only a key of others was removed");
    const taken = await done({ there: THERE, row: aRow({ declared, verify: true }) });
    assert.equal(taken.learned.wrote, "taken over");
    const anew = await done({ row: aRow({ declared, verify: true }), there: OF_A_TYPE, refusesType: true });
    assert.equal(anew.learned.wrote, "recreated, since its type changed");
    const typed = await done({ row: aRow({ declared, verify: true }), there: OF_A_TYPE });
    assert.equal(typed.learned.wrote, "its type changed");
  });

  it("lease-table 6: is observed again, and decided anew, when it is not as it was recorded", async () => {
    const there: SeenSecret = { ...THERE, resourceVersion: "9", managed: { fingerprint: "x", ours: true, vso: false } };
    const { events } = await done({ row: inStep(OTHER), there, conflicts: true });
    assert.deepEqual(events, ["claim", "apply 7", "observe", "apply 9"]);
  });

  it("kubernetes-rules 20: what workloads run with is recorded before the write that destroys it", async () => {
    const { events, state } = await done({ there: THERE, restarts: true, row: aRow({ declared, verify: true }) });
    assert.deepEqual(events, ["observe", "claim", "record rolledDigest", "take over", "apply 8"]);
    assert.equal(state.rolledDigest, OTHER);
    const without = await done({ there: THERE, row: aRow({ declared, verify: true }) });
    assert.deepEqual(without.events, ["observe", "claim", "take over", "apply 8"], "nothing is restarted");
  });

  it("of another type is tried under its precondition first, so that what may not be made anew is not lost", async () => {
    const there = { ...THERE, type: "example.com/other", managed: { fingerprint: "m", ours: true, vso: false } };
    const { events } = await done({ row: inStep(OTHER), there, typed: there.type });
    assert.deepEqual(
      events.filter((event) => /apply|remove|rehearse/.test(event)),
      ["apply 7", "apply 7", "rehearse another absent", "remove", "apply absent"],
    );
  });

  it("of another type is not deleted, when what comes in its place would be refused", async () => {
    const given = { there: OF_A_TYPE, refusesType: true, deniesNew: true };
    await assert.rejects(done({ ...given, row: aRow({ declared, verify: true }) }), { code: "ADMISSION_DENIED" });
  });

  for (const [what, demands, given, events] of [
    ["the data is recorded", 1, { there: THERE, restarts: true }, ["claim", "record rolledDigest"]],
    ["fields are taken over", 1, { there: THERE }, ["claim", "take over"]],
    ["a type is refused", 1, { there: OF_A_TYPE, refusesType: true }, ["claim", "apply 7", TRIED]],
    ["a Secret is deleted", 2, { there: OF_A_TYPE, refusesType: true }, ["claim", "apply 7", TRIED, "remove"]],
    ["it is applied", 1, { there: OURS, foreignKeys: ["theirs"] }, ["claim", "apply 7"]],
  ] as const) {
    it(`lease-table 6: is not written again after ${what}, when the lease ends too soon`, async () => {
      const row = aRow({ declared, verify: true });
      const whole = await done({ ...given, row });
      assert.deepEqual(whole.events.slice(0, events.length + 1), ["observe", ...events]);
      assert.ok(whole.events.length > events.length + 1);
      assert.deepEqual((await done({ ...given, row, demands })).events, ["observe", ...events, "lost"]);
    });
  }
});
