import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { simulatedClaim } from "../../../lib/plan/simulated-claim.ts";
import { simulatedSecrets } from "../../../lib/plan/simulated-secrets.ts";
import type { DesiredSecret, Precondition, SeenSecret } from "../../../lib/ports/secrets.ts";
import { aRow } from "../../builders.ts";

const signal = new AbortController().signal;
const DB = { cluster: "east", namespace: "shop", name: "db" };
const AS_SEEN: Precondition = { kind: "as-seen", uid: "u", resourceVersion: "1" };
const desired = (type: string) => ({ type }) as DesiredSecret;

/** Over a cluster that has Secret `db`, of type Opaque. */
async function observed() {
  const observe = async ({ name }: { name: string }) =>
    name === "db" ? ({ type: "Opaque" } as SeenSecret) : undefined;
  const secrets = simulatedSecrets({ observe, ownedNames: async () => ["db"] });
  assert.equal((await secrets.observe(DB, "get", signal))?.type, "Opaque");
  return secrets;
}

describe("the Secrets of a plan", () => {
  it("refuse another type as an API server does, for a write and for its rehearsal, unless it is made anew", async () => {
    const secrets = await observed();
    const differs = { code: "SECRET_TYPE_DIFFERS" };
    const other = desired("example.com/other");
    await assert.rejects(secrets.apply(DB, other, AS_SEEN, signal), differs);
    const rehearsal = { kind: "apply", desired: other, precondition: AS_SEEN } as const;
    await assert.rejects(secrets.rehearse(DB, rehearsal, signal), differs);
    await secrets.apply(DB, desired("Opaque"), AS_SEEN, signal);
    await secrets.apply(DB, other, { kind: "absent" }, signal);
    await secrets.apply({ ...DB, name: "new" }, other, AS_SEEN, signal);
    await secrets.rehearse(DB, { kind: "replace-data", uid: "u", data: new Map() }, signal);
  });

  it("remember what would be removed, and not made again, and what would lose its owner", async () => {
    const secrets = await observed();
    const remove = (name: string) =>
      secrets.remove({ ...DB, name }, { uid: "u", resourceVersion: "1" } as never, signal);
    await remove("db");
    await remove("former");
    assert.deepEqual(secrets.removed(), ["db", "former"]);
    await secrets.apply(DB, desired("Opaque"), { kind: "absent" }, signal);
    assert.deepEqual([secrets.removed(), secrets.left()], [["former"], []]);
    await secrets.dropOwner({ ...DB, name: "shared" }, {} as never, {} as never, signal);
    assert.deepEqual(secrets.left(), ["shared"]);
  });
});

describe("the claim of a plan", () => {
  it("is always had, for ever, and keeps in memory what a run records", async () => {
    const row = aRow();
    const claim = simulatedClaim(row);
    assert.deepEqual([claim.isTaken, await claim.take(), claim.row], [true, true, row]);
    const { key, declared, fence, nudges, state } = row;
    const until = Number.MAX_SAFE_INTEGER;
    assert.deepEqual(await claim.takeToWrite(), { key, uid: declared.uid, fence, nudges, state, until });
    await claim.record({ digest: "d" });
    claim.note({ attempts: 7 });
    assert.deepEqual(claim.row, { ...row, state: { ...state, digest: "d", attempts: 7 } });
    assert.equal(row.state.digest, state.digest);
  });
});
