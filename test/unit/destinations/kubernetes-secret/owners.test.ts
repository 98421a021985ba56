import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  bearsMarksOf,
  declarationIn,
  isOwnedBy,
  ownersOf,
} from "../../../../lib/destinations/kubernetes-secret/owners.ts";
import { referenceTo } from "../../../../lib/origins/cluster.ts";
import { OWNER_UID_LABEL } from "../../../../lib/owner-labels.ts";
import { SYNC_KINDS, VAULT_DYNAMIC_SECRET, VAULT_STATIC_SECRET } from "../../../../lib/resource-kinds.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";

const OWNER = referenceTo(VAULT_STATIC_SECRET, "db", "ours");
const OURS: JsonObject = { ...OWNER };
const TOOL: JsonObject = { apiVersion: "apps/v1", kind: "Deployment", name: "app", uid: "tool" };
/** Our reference with one member that is another. */
const ALTERED: readonly JsonObject[] = [
  { ...OURS, apiVersion: "secrets.hashicorp.com/v1" },
  { ...OURS, kind: "VaultPKISecret" },
  { ...OURS, name: "web" },
  { ...OURS, controller: true },
  { ...OURS, blockOwnerDeletion: true },
];

describe("kubernetes-rules 6: whose a Secret is", () => {
  it("is said by a reference to group, kind, name and uid", () => {
    assert.deepEqual(OWNER, {
      apiVersion: "secrets.hashicorp.com/v1beta1",
      kind: "VaultStaticSecret",
      name: "db",
      uid: "ours",
    });
  });

  it("is ours by our reference alone, exactly as we write it", () => {
    const owned = (...ownerReferences: JsonObject[]) => isOwnedBy({ ownerReferences }, OWNER);
    assert.equal(owned(OURS), true);
    assert.equal(owned({ ...OURS, controller: false, blockOwnerDeletion: false }), true);
    assert.equal(owned(), false);
    assert.equal(owned(OURS, TOOL), false);
    assert.equal(owned({ ...OURS, uid: "before" }), false);
    for (const altered of ALTERED) assert.equal(owned(altered), false, JSON.stringify(altered));
  });

  it("tells our own reference as written from one that was altered, and from none", () => {
    const own = (...ownerReferences: JsonObject[]) => ownersOf({ ownerReferences }, OWNER).own;
    assert.equal(own(TOOL, OURS), "as-written");
    for (const altered of ALTERED) {
      const owners = { own: "altered", declarations: [], foreign: [] };
      assert.deepEqual(ownersOf({ ownerReferences: [altered] }, OWNER), owners, JSON.stringify(altered));
    }
    assert.equal(own(TOOL), "absent");
    assert.equal(own({ ...OURS, uid: "before" }), "absent");
  });

  it("sorts the others: declarations, what is none, and nothing that was there under our name before", () => {
    const sibling = { ...OURS, name: "web", uid: "sibling" };
    const namesake = { ...OURS, kind: "VaultDynamicSecret", uid: "namesake" };
    const before = { ...OURS, uid: "before" };
    const ownerReferences = [OURS, sibling, namesake, before, TOOL, { ...TOOL, name: "main", controller: true }];
    assert.deepEqual(ownersOf({ ownerReferences }, OWNER), {
      own: "as-written",
      declarations: [
        { kind: VAULT_STATIC_SECRET, name: "web", uid: "sibling" },
        { kind: VAULT_DYNAMIC_SECRET, name: "db", uid: "namesake" },
      ],
      foreign: [
        { what: "Deployment app", controls: false },
        { what: "Deployment main", controls: true },
      ],
    });
  });

  it("repeats no kind or name that is none", () => {
    const whatOf = (reference: JsonObject) => ownersOf({ ownerReferences: [reference] }, OWNER).foreign[0]?.what;
    const odd = "an owner with an invalid name";
    assert.equal(whatOf({ ...TOOL, name: "a\nb" }), odd);
    assert.equal(whatOf({ ...TOOL, name: "" }), odd);
    assert.equal(whatOf({ ...TOOL, kind: "<b>" }), odd);
    assert.equal(whatOf({ ...TOOL, name: 7 }), odd);
  });

  it("is a declaration's only by a kind of syncs of this very group", () => {
    for (const kind of SYNC_KINDS) {
      const reference = { ...referenceTo(kind, "db", "uid") };
      assert.deepEqual(declarationIn(reference), { kind, name: "db", uid: "uid" });
      assert.equal(declarationIn({ ...reference, apiVersion: "secrets.hashicorp.com.evil.example/v1" }), undefined);
      assert.equal(declarationIn({ ...reference, apiVersion: "evil.secrets.hashicorp.com/v1" }), undefined);
      assert.equal(declarationIn({ kind: kind.kind, name: "db", uid: "uid" }), undefined);
    }
    assert.equal(declarationIn(TOOL), undefined);
    assert.equal(declarationIn({ ...OURS, kind: "VaultAuth" }), undefined);
    assert.equal(declarationIn(undefined), undefined);
  });

  it("bears the marks of a declaration by its uid: in a reference, or in the owner's label", () => {
    const marks = (uid: unknown, label?: string) =>
      bearsMarksOf(
        { ownerReferences: [TOOL, { ...OURS, uid } as JsonObject], labels: label ? { [OWNER_UID_LABEL]: label } : {} },
        OWNER,
      );
    assert.equal(marks("ours"), true);
    assert.equal(marks("before", "ours"), true);
    assert.equal(marks("before"), false);
    assert.equal(marks("before", "before"), false);
  });
});
