import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withKnownTargets } from "../../../lib/issues/known-targets.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aKey } from "../../builders.ts";

describe("known targets", () => {
  it("are read once; missing ones and the least used of many are asked for again", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const known = withKnownTargets(store);
    const reads = () => store.counts().target ?? 0;
    assert.equal(await known.target("none"), undefined);
    assert.equal(await known.target("none"), undefined);
    assert.equal(reads(), 2);
    const digests = await Promise.all(
      Array.from({ length: 501 }, (_, at) => store.putTarget({ address: `https://vault-${at}` }, aKey())),
    );
    const [first = "", second = ""] = digests;
    for (const digest of digests.slice(0, 500)) await known.target(digest);
    assert.deepEqual(await known.target(first), { address: "https://vault-0" });
    assert.equal(reads(), 502);
    await known.target(digests[500] ?? "");
    await known.target(first);
    assert.equal(reads(), 503);
    await known.target(second);
    assert.equal(reads(), 504);
  });
});
