import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DestinationApis } from "../../../../lib/destinations/destination.ts";
import { kubernetesSecrets } from "../../../../lib/destinations/kubernetes-secret/kubernetes-secret.ts";
import { emptyIfOurs, removeIfOurs } from "../../../../lib/destinations/kubernetes-secret/remove.ts";
import { digestKey, digestOf } from "../../../../lib/digest.ts";
import { type ErrorCode, SyncError } from "../../../../lib/errors.ts";
import type { Claim } from "../../../../lib/ports/claim.ts";
import { EMPTY_STATE } from "../../../../lib/ports/rows.ts";
import type { Lease } from "../../../../lib/ports/store.ts";
import { converge } from "../../../../lib/reconcile/converge.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";
import { aCluster, aRow } from "../../../builders.ts";

const OWNER = { apiVersion: "secrets.hashicorp.com/v1beta1", kind: "VaultStaticSecret", name: "db", uid: "ours" };
const OTHER = { ...OWNER, name: "web", uid: "theirs" };
const forever = new AbortController().signal;

/** What is done to a Secret with these owners, in order. */
async function removal(
  ownerReferences: readonly JsonObject[] | undefined,
  isLost = false,
  deleting = false,
): Promise<readonly string[]> {
  const done: string[] = [];
  const does = (what: string) => async () => void done.push(what);
  const seen = ownerReferences && { uid: "u1", resourceVersion: "7", deleting, ownerReferences };
  const secrets = {
    async observe() {
      done.push("observe");
      return seen;
    },
    remove: does("remove"),
    dropOwner: does("drop our reference"),
  };
  const claim = {
    async takeToWrite() {
      done.push("take the lease");
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
    assert.deepEqual(await removal([OWNER]), ["observe", "take the lease", "remove"]);
    assert.deepEqual(await removal([OWNER], true), ["observe", "take the lease"]);
  });

  it("by our reference alone where others own it too, and not at all where it is not ours, or not there", async () => {
    assert.deepEqual(await removal([OWNER, OTHER]), ["observe", "take the lease", "drop our reference"]);
    assert.deepEqual(await removal([OWNER, OTHER], false, true), ["observe", "take the lease"], "it goes by itself");
    assert.deepEqual(await removal([OTHER]), ["observe"]);
    assert.deepEqual(await removal(undefined), ["observe"]);
  });
});

describe("a Secret that is not ours is emptied of what we put there", () => {
  const KEY = digestKey(Buffer.alloc(32, 1));
  const DATA = new Map(["tls.crt", "tls.key"].map((name) => [name, SecretValue.of(name)]));

  /** What is done to it, in order; `refuses`: the API server's answer to no data at all. */
  async function emptied(digest: string | undefined, found: typeof DATA | undefined, refuses?: ErrorCode) {
    const done: string[] = [];
    const secrets = {
      async observe(_secret: unknown, how: string) {
        done.push(how);
        return found && { uid: "u1", data: found };
      },
      async replaceData(_secret: unknown, uid: string, data: typeof DATA) {
        const values = [...data].map(([name, value]) => `${name}=${value.reveal()}`);
        done.push([uid, ...values].join(" "));
        if (values.length === 0 && refuses !== undefined) throw new SyncError(refuses, "no");
      },
    };
    const claim = { takeToWrite: async () => void done.push("take the lease") };
    const apis = { secrets, digestKey: KEY } as unknown as Parameters<typeof emptyIfOurs>[0];
    const state = { ...EMPTY_STATE, ...(digest === undefined ? {} : { digest }) };
    const secret = { cluster: "east", namespace: "shop", name: "db" };
    await emptyIfOurs(apis, { state }, secret, { observe: "apply" }, claim as never, forever);
    return done;
  }

  const OURS = digestOf(KEY, DATA);

  it("under the lease, while it has just that", async () => {
    assert.deepEqual(await emptied(OURS, DATA), ["patch", "take the lease", "u1"]);
    const other = new Map([...DATA, ["more", SecretValue.of("1")]]);
    for (const [digest, found] of [
      [OURS, other],
      [OURS, undefined],
      [undefined, DATA],
    ] as const) {
      assert.deepEqual(await emptied(digest, found), ["patch"]);
    }
  });

  it("by empty values where its type demands its keys, and not after another failure", async () => {
    assert.deepEqual(await emptied(OURS, DATA, "SECRET_REFUSED"), [
      ...["patch", "take the lease", "u1", "u1 tls.crt= tls.key="],
    ]);
    await assert.rejects(emptied(OURS, DATA, "KUBE_DENIED"), { code: "KUBE_DENIED" });
  });

  it("when the row that filled it goes, with what it owns", async () => {
    const done: string[] = [];
    const secrets = {
      async observe({ name }: { readonly name: string }) {
        done.push(`observe ${name}`);
        return name === "db" ? { uid: "u1", data: DATA, ownerReferences: [] } : undefined;
      },
      replaceData: async () => void done.push("empty"),
    };
    const apis = { secrets, digestKey: KEY, origin: { owner: OWNER } } as unknown as DestinationApis;
    const row = aRow({ state: { ...EMPTY_STATE, digest: OURS } });
    const claim = { row, takeToWrite: async () => void done.push("takeToWrite") } as unknown as Claim;
    await converge(kubernetesSecrets.toClear(apis, { row, settings: aCluster(), blank: "db" }), claim, forever);
    assert.deepEqual(done, ["observe db", "takeToWrite", "empty"]);
    done.length = 0;
    await converge(kubernetesSecrets.toClear(apis, { row, settings: aCluster() }), claim, forever);
    assert.deepEqual(done, [], "nothing is left");
  });
});
