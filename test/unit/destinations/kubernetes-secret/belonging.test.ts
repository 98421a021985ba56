import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DestinationAwaited } from "../../../../lib/destinations/destination.ts";
import { isRecorded, mayNotWrite } from "../../../../lib/destinations/kubernetes-secret/belonging.ts";
import type { Rival } from "../../../../lib/destinations/kubernetes-secret/owners.ts";
import type { Seen } from "../../../../lib/destinations/kubernetes-secret/state.ts";
import { digestKey } from "../../../../lib/digest.ts";
import { referenceTo } from "../../../../lib/origins/cluster.ts";
import { desiredLabels } from "../../../../lib/owner-labels.ts";
import type { SeenSecret } from "../../../../lib/ports/secrets.ts";
import { VAULT_STATIC_SECRET } from "../../../../lib/resource-kinds.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";
import { aRow } from "../../../builders.ts";

const OWNER = referenceTo(VAULT_STATIC_SECRET, "db", "ours");
const OURS: JsonObject = { ...OWNER };
const SIBLING: JsonObject = { ...OWNER, name: "web", uid: "theirs" };
const LABELS = desiredLabels({}, "ours");
const THEIRS = { labels: desiredLabels({}, "theirs") };
const RIVAL: Rival = { kind: "VaultStaticSecret", name: "web", by: "reference", wrote: false };

function aSecret(ownerReferences: readonly JsonObject[], more: Partial<SeenSecret> = {}): SeenSecret {
  return {
    uid: "u1",
    resourceVersion: "7",
    type: "Opaque",
    immutable: false,
    deleting: false,
    labels: LABELS,
    annotations: {},
    ownerReferences,
    data: new Map(),
    managed: { fingerprint: "m", ours: true, vso: false },
    ...more,
  };
}

/** Of a sync that recorded these Secrets. */
function aSeen(owned: readonly { name: string; uid?: string }[], rivals: readonly Rival[] = []): Seen {
  return {
    row: aRow({ state: { ...aRow().state, owned } }),
    destination: {
      name: "db",
      create: true,
      overwrite: false,
      type: "Opaque",
      labels: LABELS,
      annotations: {},
      ownerReference: OWNER,
    },
    observe: "watch",
    digest: "d",
    key: digestKey(Buffer.alloc(32, 1)),
    secret: "unread",
    applied: false,
    rivals,
  };
}

const WRITER = [{ name: "db", uid: "u1" }];
const awaitedBy = (seen: Seen, secret: SeenSecret): DestinationAwaited => {
  try {
    mayNotWrite(seen, secret);
  } catch (error) {
    assert.ok(error instanceof DestinationAwaited);
    return error;
  }
  return assert.fail("it may write");
};

describe("kubernetes-rules 6: may we write to this Secret?", () => {
  it("is recorded by name and uid, both of them", () => {
    assert.equal(isRecorded(aSeen(WRITER), aSecret([])), true);
    assert.equal(isRecorded(aSeen([{ name: "other", uid: "u1" }]), aSecret([])), false);
    assert.equal(isRecorded(aSeen([{ name: "db", uid: "u0" }]), aSecret([])), false);
    assert.equal(isRecorded(aSeen([{ name: "db" }]), aSecret([])), false);
  });

  it("goes on while our own reference stands, whoever else left marks there", () => {
    const wrote = { ...RIVAL, wrote: true };
    assert.equal(mayNotWrite(aSeen(WRITER, [wrote]), aSecret([OURS, SIBLING])), undefined);
    assert.equal(mayNotWrite(aSeen(WRITER, [wrote]), aSecret([OURS, SIBLING], THEIRS)), undefined);
    assert.equal(mayNotWrite(aSeen(WRITER, [RIVAL]), aSecret([SIBLING])), undefined, "the other one has not written");
    assert.equal(awaitedBy(aSeen(WRITER, [wrote]), aSecret([SIBLING])).code, "SECRET_NOT_OURS");
  });

  it("goes on no more when any other one wrote it since, by its own mark", () => {
    const wrote = { ...RIVAL, wrote: true };
    awaitedBy(aSeen(WRITER, [RIVAL, wrote]), aSecret([SIBLING]));
    // It never wrote itself: nothing was taken from it.
    const secret = aSecret([SIBLING]);
    assert.deepEqual(mayNotWrite(aSeen([], [wrote]), secret), { do: "stand-beside", seen: secret });
  });

  it("takes a Secret with the labels of an owner, or with overwrite", () => {
    const seen = aSeen([]);
    const { rivals: _, ...unrivalled } = seen;
    const overwriting = { ...seen, destination: { ...seen.destination, overwrite: true } };
    const { "app.kubernetes.io/name": _name, ...unnamed } = LABELS;
    assert.equal(mayNotWrite(unrivalled, aSecret([])), undefined);
    for (const labels of [{}, unnamed, { ...LABELS, "app.kubernetes.io/name": "another" }]) {
      assert.throws(() => mayNotWrite(seen, aSecret([], { labels })), { code: "SECRET_NOT_OURS" });
      assert.equal(mayNotWrite(overwriting, aSecret([], { labels })), undefined);
    }
    assert.throws(
      () => mayNotWrite(seen, aSecret([], { labels: unnamed })),
      /lacks the labels app.kubernetes.io.name\./,
    );
  });

  it("lets go of what it wrote for a controller alone, and for any other owner beside its own reference", () => {
    const tool = { apiVersion: "v1", kind: "Tool", name: "t", uid: "t" };
    const refused = (owned: typeof WRITER, owners: readonly JsonObject[]) =>
      assert.throws(() => mayNotWrite(aSeen(owned), aSecret(owners)), { code: "SECRET_NOT_OURS" });
    assert.equal(mayNotWrite(aSeen(WRITER), aSecret([tool])), undefined);
    refused(WRITER, [{ ...tool, controller: true }]);
    refused(WRITER, [OURS, tool]);
    refused([], [tool]);
  });

  it("stands beside one other declaration's reference, on a Secret that stays", () => {
    const secret = aSecret([SIBLING]);
    assert.deepEqual(mayNotWrite(aSeen([], [RIVAL]), secret), { do: "stand-beside", seen: secret });
    awaitedBy(aSeen([], [RIVAL, { ...RIVAL, name: "third" }]), secret);
    awaitedBy(aSeen([], [{ ...RIVAL, by: "mark" }]), secret);
    awaitedBy(aSeen([], [RIVAL]), aSecret([OURS, SIBLING], THEIRS));
    awaitedBy(aSeen([], [RIVAL]), aSecret([SIBLING], { deleting: true }));
  });

  it("continues after a write that was never recorded: its label and its reference show it", () => {
    assert.equal(mayNotWrite(aSeen([], [RIVAL]), aSecret([OURS, SIBLING])), undefined);
    assert.equal(mayNotWrite(aSeen([{ name: "db" }], [RIVAL]), aSecret([OURS, SIBLING])), undefined);
    const secret = aSecret([SIBLING]);
    assert.deepEqual(
      mayNotWrite(aSeen([], [RIVAL]), secret),
      { do: "stand-beside", seen: secret },
      "without a reference",
    );
  });

  it("says who is waited for, and what left them there", () => {
    const stands = awaitedBy(aSeen([], [RIVAL, { ...RIVAL, name: "third" }]), aSecret([SIBLING]));
    assert.match(stands.message, /Secret db: VaultStaticSecret web, VaultStaticSecret third still exists and is in/);
    const marked = awaitedBy(aSeen([], [{ ...RIVAL, by: "mark" }]), aSecret([SIBLING]));
    assert.match(marked.message, /VaultStaticSecret web wrote it and still exists/);
  });

  it("says of one that names another Secret that it has not left this one, and whether it waits for ours", () => {
    const moved = { ...RIVAL, names: "other" };
    const secret = aSecret([OURS, SIBLING], THEIRS);
    const { message } = awaitedBy(aSeen([], [moved]), secret);
    assert.match(message, /: VaultStaticSecret web now names other, but has not left this Secret yet\. /);
    assert.match(message, /keyferry takes it over, unchanged, once it has$/);
    const swapped = awaitedBy(aSeen([{ name: "other", uid: "u2" }], [moved]), secret).message;
    assert.match(swapped, /now names other, which this declaration has not left: each waits for the other\. /);
    assert.match(swapped, /a third destination\.name/);
    const staying = awaitedBy(aSeen([], [moved, { ...RIVAL, name: "third" }]), secret).message;
    assert.match(staying, /web, VaultStaticSecret third still exists and is in its ownerReferences/);
  });

  it("records the name alone of what it waits for, and all else as it was", () => {
    const error = awaitedBy(aSeen([], [{ ...RIVAL, by: "mark" }]), aSecret([SIBLING]));
    const other = { name: "other", uid: "u2" };
    assert.deepEqual(error.recordOf([...WRITER, other]), [{ name: "db" }, other]);
  });

  it("names three strangers at most", () => {
    const named = (count: number): string => {
      const tools = Array.from({ length: count }, (_, at) => ({ kind: "Tool", name: `t${at}`, uid: `t${at}` }));
      try {
        mayNotWrite(aSeen([]), aSecret(tools));
      } catch (error) {
        return /also name (.*?)\. /.exec((error as Error).message)?.[1] ?? "";
      }
      return assert.fail("it may write");
    };
    assert.equal(named(1), "Tool t0");
    assert.equal(named(3), "Tool t0, Tool t1, Tool t2");
    assert.equal(named(4), "Tool t0, Tool t1, Tool t2 and 1 more");
    assert.equal(named(5), "Tool t0, Tool t1, Tool t2 and 2 more");
  });
});
