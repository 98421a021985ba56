import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { recognised } from "../../../lib/discovery/recognise.ts";
import { cleanupKey, type SyncKey } from "../../../lib/keys.ts";
import { OWNER_UID_LABEL } from "../../../lib/owner-labels.ts";
import type { SeenResource } from "../../../lib/ports/resources.ts";
import type { Row } from "../../../lib/ports/rows.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import type { RowSummary } from "../../../lib/ports/store.ts";
import { aDeclared, aKey, aRow } from "../../builders.ts";

function aSecret(name: string, label?: string): SeenResource {
  return {
    ...{ uid: `uid-of-${name}`, resourceVersion: "1", generation: 1, deleting: false, annotations: {}, finalizers: [] },
    ...{ spec: {}, status: {}, ownerReferences: [], namespace: "shop", name },
    labels: label === undefined ? {} : { [OWNER_UID_LABEL]: label },
  };
}

function rowOf(name: string, ...owned: readonly string[]): Row {
  const declared = aDeclared({ key: aKey(name) });
  return aRow({ declared, state: { ...EMPTY_STATE, owned: owned.map((secret) => ({ name: secret })) } });
}

/** What a table of these rows answers, and how many of them were asked for. */
function aTable(rows: readonly Row[]) {
  const asked: SyncKey[] = [];
  const summaries: readonly RowSummary[] = rows.map(({ key, declared: { uid, hash, generation } }) => {
    return { key, uid, hash, generation, refs: [], attempts: 0 };
  });
  const byKey = new Map(rows.map((row) => [row.key, row]));
  const read = async (keys: readonly SyncKey[]) => {
    asked.push(...keys);
    return new Map(keys.flatMap((key): [SyncKey, Row][] => [[key, byKey.get(key)].filter(Boolean) as [SyncKey, Row]]));
  };
  const names = async (...secrets: readonly SeenResource[]) => {
    const found = await recognised({ read }, summaries, secrets);
    return secrets.map((secret) => (found.get(secret) ?? []).map(({ key }) => key));
  };
  return { asked, names };
}

describe("whose is a Secret that no owner reference speaks for?", () => {
  const [db, web] = [rowOf("db", "db"), rowOf("web", "web", "web-old")];

  it("by the owner's label: that of a row that knows it, and no other row is read", async () => {
    const table = aTable([db, web]);
    assert.deepEqual(await table.names(aSecret("db", db.declared.uid)), [[db.key]]);
    assert.deepEqual(table.asked, [db.key]);
  });

  it("by the name that was recorded, where the label is off, or another's", async () => {
    for (const label of [undefined, "nobody", db.declared.uid]) {
      assert.deepEqual(await aTable([db, web]).names(aSecret("web-old", label)), [[web.key]]);
    }
  });

  it("nobody's: another name, another namespace, a clean-up's", async () => {
    const gone = { ...rowOf("gone", "gone"), key: cleanupKey(aKey("gone"), "u") };
    const elsewhere = { ...aSecret("db", db.declared.uid), namespace: "other" };
    const table = aTable([db, web, gone]);
    assert.deepEqual(await table.names(aSecret("copy", db.declared.uid), aSecret("gone"), elsewhere), [[], [], []]);
  });
});
