import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { planOutages } from "../../../lib/plan/plan-outages.ts";
import { simulatedClaim } from "../../../lib/plan/simulated-claim.ts";
import { simulatedSecrets } from "../../../lib/plan/simulated-secrets.ts";
import type { SeenSecret } from "../../../lib/ports/secrets.ts";
import { aRow } from "../../builders.ts";

const PLACE = { cluster: "east", namespace: "shop", name: "db" };
const { signal } = new AbortController();
const DESIRED = { type: "Opaque", labels: {}, annotations: {}, ownerReference: {}, data: new Map() } as never;
const SEEN = { uid: "u", resourceVersion: "7", type: "kubernetes.io/tls" } as SeenSecret;
const AT_7 = { kind: "as-seen", uid: "u", resourceVersion: "7" } as const;

function scene(found: SeenSecret | null = SEEN) {
  const asked: unknown[] = [];
  const real = {
    observe: async (...given: unknown[]) => {
      asked.push(given.slice(0, 2));
      return found ?? undefined;
    },
    ownedNames: async () => ["former"],
  };
  return { asked, secrets: simulatedSecrets(real as never) };
}

describe("writes of a plan", () => {
  it("are answered and not sent: only what is observed is real", async () => {
    const { secrets, asked } = scene();
    assert.equal(await secrets.observe(PLACE, "get", signal), SEEN);
    const written = await secrets.apply(PLACE, { ...(DESIRED as object), type: SEEN.type } as never, AT_7, signal);
    assert.deepEqual([written.foreignKeys, written.managed.vso], [[], false]);
    for (const answer of [
      await secrets.dropKeys(PLACE, ["a"], "7", signal),
      await secrets.replaceData(PLACE, "u", new Map(), signal),
      await secrets.takeOverFields(PLACE, "7", signal),
    ]) {
      assert.deepEqual(answer, written);
    }
    assert.equal(await secrets.standBeside(PLACE, {} as never, SEEN, signal), written.resourceVersion);
    assert.deepEqual(
      [typeof written.uid, typeof written.resourceVersion, asked],
      ["string", "string", [[PLACE, "get"]]],
    );
    assert.deepEqual(await secrets.ownedNames("east" as never, "shop" as never, signal as never), ["former"]);
  });

  it("are told: what would be removed, and what others keep", async () => {
    const { secrets } = scene();
    for (const name of ["a", "b"]) await secrets.remove({ ...PLACE, name }, SEEN, signal);
    await secrets.dropOwner({ ...PLACE, name: "c" }, "u", SEEN, signal);
    assert.deepEqual([secrets.removed(), secrets.left()], [["a", "b"], ["c"]]);
    await secrets.apply({ ...PLACE, name: "a" }, DESIRED, { kind: "absent" }, signal);
    assert.deepEqual(secrets.removed(), ["b"], "it is made anew");
  });

  it("are refused as the API server refuses another type, also in a dry run", async () => {
    const { secrets } = scene();
    await secrets.apply(PLACE, DESIRED, AT_7, signal);
    await secrets.observe(PLACE, "get", signal);
    await assert.rejects(secrets.apply(PLACE, DESIRED, AT_7, signal), { code: "SECRET_TYPE_DIFFERS" });
    const apply = { kind: "apply", desired: DESIRED, precondition: AT_7 } as const;
    await assert.rejects(secrets.rehearse(PLACE, apply, signal), { code: "SECRET_TYPE_DIFFERS" });
    await secrets.rehearse(PLACE, { kind: "replace-data", uid: "u", data: new Map() }, signal);
    await secrets.apply(PLACE, DESIRED, { kind: "absent" }, signal);
    const none = scene(null).secrets;
    await none.observe(PLACE, "get", signal);
    await none.apply(PLACE, DESIRED, AT_7, signal);
  });
});

describe("the claim of a plan", () => {
  it("is always there, and keeps what is learned to itself", async () => {
    const row = aRow();
    const claim = simulatedClaim(row);
    const lease = await claim.takeToWrite();
    assert.deepEqual([claim.isTaken, await claim.take(), claim.row], [true, true, row]);
    assert.deepEqual(
      [lease.key, lease.uid, lease.fence, lease.nudges, lease.state],
      [row.key, row.declared.uid, row.fence, row.nudges, row.state],
    );
    assert.ok(lease.until > Date.UTC(9999, 0, 1));
    await claim.record({ digest: "d" });
    claim.note({ attempts: 3 });
    assert.deepEqual(claim.row.state, { ...row.state, digest: "d", attempts: 3 });
    await claim.settle({} as never);
    assert.equal(row.state.digest, undefined);
  });
});

describe("outages of a plan", () => {
  it("are none of what nobody asked, and leave other failures as they are", async () => {
    const outages = planOutages({} as never, {} as never);
    assert.equal(outages.among([undefined, "vault:x"]), undefined);
    for (const error of [new TypeError("bug"), "text"])
      assert.equal(await outages.classify(error, undefined, signal), error);
  });
});
