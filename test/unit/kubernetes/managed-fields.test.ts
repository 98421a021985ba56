import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  foreignStatusOf,
  lastOther,
  managedFieldsOf,
  ourDataKeys,
  takenOver,
} from "../../../lib/kubernetes/managed-fields.ts";

const OWNER_LABEL = "f:secrets.hashicorp.com/vso-ownerRefUID";
const fields = (...keys: string[]) => ({ "f:data": Object.fromEntries(keys.map((key) => [`f:${key}`, {}])) });
const entry = (manager: string, fieldsV1: object, more: object = {}) => ({
  manager,
  operation: "Apply",
  apiVersion: "v1",
  time: "2030-01-01T00:00:00Z",
  fieldsType: "FieldsV1",
  fieldsV1,
  ...more,
});
const vsoFields = (...keys: string[]) => ({
  ...fields(...keys),
  "f:metadata": { "f:labels": { [OWNER_LABEL]: {}, "f:old": {} } },
});
const metadata = (...managedFields: object[]) => ({ managedFields });

describe("managed fields", () => {
  it("kubernetes-rules 10: their times and others' metadata are no part of the fingerprint", () => {
    const before = managedFieldsOf(metadata(entry("keyferry", fields("a"))));
    const after = managedFieldsOf(
      metadata(
        entry("keyferry", fields("a"), { time: "2031-01-01T00:00:00Z" }),
        entry("kubectl", { "f:metadata": { "f:annotations": { "f:x": {} } } }, { operation: "Update" }),
      ),
    );
    assert.deepEqual(after, before);
    assert.deepEqual([before.ours, before.vso], [true, false]);
  });

  it("kubernetes-rules 10: our entry, its loss, and data keys of others are", () => {
    const all = [
      metadata(entry("keyferry", fields("a"))),
      metadata(entry("keyferry", fields("a", "b"))),
      metadata(),
      {},
      metadata(entry("keyferry", fields("a")), entry("kubectl", fields("b"))),
      metadata(entry("keyferry", fields("a")), entry("kubectl", fields("c"))),
    ].map((object) => managedFieldsOf(object).fingerprint);
    assert.equal(new Set(all).size, 5);
    assert.equal(all[2], all[3]);
  });

  it("kubernetes-rules 10: of a Secret that was adopted, who wrote its data and when counts as well", () => {
    const vso = entry("manager", vsoFields("a"), { operation: "Update" });
    const later = "2031-01-01T00:00:00Z";
    const all = [
      metadata(vso),
      metadata({ ...vso, time: later }),
      metadata(entry("manager", vsoFields()), entry("kubectl", fields("a"))),
      metadata(entry("manager", vsoFields()), entry("kubectl", fields("a"), { time: later })),
    ].map((object) => managedFieldsOf(object).fingerprint);
    assert.equal(new Set(all).size, 4);
    const noted = entry("kubectl", { "f:metadata": { "f:annotations": { "f:x": {} } } });
    assert.equal(managedFieldsOf(metadata(vso, noted)).fingerprint, all[0]);
  });

  it("kubernetes-rules 10: of a Secret that was adopted, labels, annotations and owners that left VSO's entry count as well", () => {
    const owned = {
      "f:labels": { [OWNER_LABEL]: {}, "f:tier": {} },
      "f:annotations": { "f:team": {} },
      "f:ownerReferences": { 'k:{"uid":"1"}': {} },
    };
    const of = (marks: object) =>
      managedFieldsOf(metadata(entry("manager", { ...fields("a"), "f:metadata": marks }, { operation: "Update" })));
    const all = [
      owned,
      { ...owned, "f:labels": { [OWNER_LABEL]: {} } },
      { ...owned, "f:labels": { "f:tier": {} } },
      { ...owned, "f:annotations": {} },
      { ...owned, "f:ownerReferences": {} },
    ].map((marks) => of(marks).fingerprint);
    assert.equal(new Set(all).size, 5);
  });

  it("kubernetes-rules 10: the order of entries and who the others are do not matter", () => {
    const ours = entry("keyferry", fields("a"));
    const one = metadata(ours, entry("x", fields("b")), entry("y", fields("c")));
    const other = metadata(entry("z", fields("c", "b")), ours);
    assert.equal(managedFieldsOf(one).fingerprint, managedFieldsOf(other).fingerprint);
  });

  it("kubernetes-rules 3: VSO's entry becomes ours, whatever its manager is called, and nobody else's does", () => {
    const kubectl = entry("kubectl", fields("k"), { operation: "Update" });
    const vso = entry("manager", vsoFields("a"), { operation: "Update" });
    const before = metadata(kubectl, vso);
    assert.equal(managedFieldsOf(before).vso, true);
    const moved = metadata(...(takenOver(before) ?? []));
    assert.deepEqual(moved.managedFields, [kubectl, { ...vso, manager: "keyferry", operation: "Apply" }]);
    assert.deepEqual([...ourDataKeys(moved)], ["a"]);
    assert.equal(takenOver(moved), undefined);
  });

  it("kubernetes-rules 3: joined with our own entry, it owns what either owned", () => {
    const before = metadata(entry("keyferry", fields("a", "b")), entry("manager", vsoFields("b", "c")));
    const moved = takenOver(before);
    assert.equal(moved?.length, 1);
    assert.deepEqual(moved?.[0]?.fieldsV1, vsoFields("a", "b", "c"));
  });

  it("kubernetes-rules 24: the newest write of a status by another counts, unless ours is as new", () => {
    const status = (manager: string, time: string) => entry(manager, {}, { subresource: "status", time });
    const at = (seconds: number) => `2030-01-01T00:00:0${seconds}Z`;
    const theirs = { manager: "manager", at: Date.parse(at(5)) };
    assert.deepEqual(foreignStatusOf(metadata(status("manager", at(5)), status("other", at(1)))), theirs);
    assert.deepEqual(foreignStatusOf(metadata(status("keyferry", at(4)), status("manager", at(5)))), theirs);
    assert.equal(foreignStatusOf(metadata(status("keyferry", at(5)), status("manager", at(5)))), undefined);
    assert.equal(foreignStatusOf(metadata(entry("manager", {}), status("keyferry", at(1)))), undefined);
    assert.equal(foreignStatusOf(metadata(status("manager", "sometime"))), undefined);
    assert.equal(foreignStatusOf({}), undefined);
  });

  it("tell who besides keyferry wrote last", () => {
    const at = (seconds: number) => ({ time: `2030-01-01T00:00:0${seconds}Z` });
    const entries = [entry("a", fields("a"), at(3)), entry("b", fields("b"), at(5)), entry("keyferry", {}, at(7))];
    assert.equal(lastOther(metadata(...entries)), "b");
    assert.equal(lastOther(metadata(entry("keyferry", {}, at(7)))), undefined);
    assert.equal(lastOther(metadata(entry("a", fields("a"), { time: "sometime" }))), undefined);
    assert.equal(lastOther({}), undefined);
  });
});
