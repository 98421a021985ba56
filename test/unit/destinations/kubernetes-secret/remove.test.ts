import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { removeIfOurs } from "../../../../lib/destinations/kubernetes-secret/remove.ts";
import { SyncError } from "../../../../lib/errors.ts";
import type { Lease } from "../../../../lib/ports/store.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";

const OWNER = { apiVersion: "secrets.hashicorp.com/v1beta1", kind: "VaultStaticSecret", name: "db", uid: "ours" };
const OTHER = { ...OWNER, name: "web", uid: "theirs" };
const forever = new AbortController().signal;

/** What is done to a Secret with these owners, in order. */
async function removal(ownerReferences: readonly JsonObject[] | undefined, isLost = false): Promise<readonly string[]> {
  const done: string[] = [];
  const does = (what: string) => async () => void done.push(what);
  const seen = ownerReferences && { uid: "u1", resourceVersion: "7", deleting: false, ownerReferences };
  const secrets = {
    async observe() {
      done.push("observe");
      return seen;
    },
    remove: does("remove"),
    dropOwner: does("drop our reference"),
  };
  const claim = {
    async require() {
      done.push("require the lease");
      if (isLost) throw new SyncError("LEASE_LOST", "it ended");
      return {} as Lease;
    },
  };
  const secret = { cluster: "east", namespace: "shop", name: "db" };
  const removing = { owner: OWNER, observe: "watch", claim } as const;
  const removed = removeIfOurs({ secrets } as unknown as Parameters<typeof removeIfOurs>[0], secret, removing, forever);
  if (isLost) await assert.rejects(removed, { code: "LEASE_LOST" });
  else await removed;
  return done;
}

describe("kubernetes-rules 6: a Secret is removed while it is ours", () => {
  it("lease-table 6: under a lease that is required again after a slow observation", async () => {
    assert.deepEqual(await removal([OWNER]), ["observe", "require the lease", "remove"]);
    assert.deepEqual(await removal([OWNER], true), ["observe", "require the lease"]);
  });

  it("by our reference alone where others own it too, and not at all where it is not ours, or not there", async () => {
    assert.deepEqual(await removal([OWNER, OTHER]), ["observe", "require the lease", "drop our reference"]);
    assert.deepEqual(await removal([OTHER]), ["observe"]);
    assert.deepEqual(await removal(undefined), ["observe"]);
  });
});
