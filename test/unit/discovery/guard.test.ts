import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { toldIfTooLarge, unlessBug } from "../../../lib/discovery/guard.ts";
import { RowTooLarge, SyncError } from "../../../lib/errors.ts";
import type { SeenResource } from "../../../lib/ports/resources.ts";
import { VAULT_STATIC_SECRET } from "../../../lib/resource-kinds.ts";
import { aKey } from "../../builders.ts";

const OF = {
  cluster: "east",
  kind: VAULT_STATIC_SECRET,
  object: { namespace: "shop", name: "db" } as SeenResource,
};

describe("an object that makes us fail", () => {
  const scene = () => {
    const lines: unknown[] = [];
    const line = (event: string, fields?: unknown) => void lines.push([event, fields]);
    const counts: string[] = [];
    const metrics = { count: (name: string) => void counts.push(name), observe: () => undefined };
    return { lines, counts, deps: { log: { debug: line, info: line, warn: line, error: line }, metrics } };
  };

  it("in a way that nobody foresaw is told by its name and left aside", async () => {
    const { lines, counts, deps } = scene();
    const failed = await unlessBug(deps, OF, async () => {
      throw new RangeError("hunter2");
    });
    assert.deepEqual([failed, counts], [undefined, ["keyferry_bugs_total"]]);
    assert.match(JSON.stringify(lines), /object-crashed.*"cluster":"east".*"namespace":"shop","name":"db".*RangeError/);
    assert.doesNotMatch(JSON.stringify(lines), /hunter2/);
  });

  it("because the table can't hold it is told by its name and left aside", async () => {
    const { lines, counts, deps } = scene();
    const tooLarge = () => Promise.reject(new RowTooLarge("larger than the table takes"));
    assert.equal(await unlessBug(deps, OF, tooLarge), undefined);
    assert.equal(await toldIfTooLarge(deps, aKey("db"), tooLarge), undefined);
    assert.deepEqual(counts, []);
    assert.match(JSON.stringify(lines), /object-not-stored.*"name":"db".*STORE_INVALID.*row-not-stored.*STORE_INVALID/);
    assert.equal(await toldIfTooLarge(deps, aKey("db"), async () => "changed"), "changed");
    await assert.rejects(
      toldIfTooLarge(deps, aKey("db"), () => Promise.reject(new SyncError("STORE_INVALID", "another table"))),
      { code: "STORE_INVALID" },
    );
  });

  it("with a code is no matter of one object alone", async () => {
    const { lines, deps } = scene();
    const error = new SyncError("STORE_UNAVAILABLE", "full");
    await assert.rejects(
      unlessBug(deps, OF, async () => {
        throw error;
      }),
      error,
    );
    assert.deepEqual(lines, []);
  });
});
