import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type SecretData, SecretValue } from "../../../../lib/secret-value.ts";
import { aPushed } from "../../../builders.ts";
import { aScene, type Given, WANTED } from "./a-scene.ts";

describe("binary fields of a path of Vault", () => {
  const BINARY: SecretData = new Map([["b", SecretValue.of(Buffer.from([0xff, 0]))]]);
  const LISTED: Given = { body: BINARY, list: "b", recorded: { binary: "listed" } };
  const put = { kind: "put", cas: 0, because: "it is new" } as const;

  it("keep their names where custom_metadata may list them, else they get a suffix", async () => {
    const asked = async (mayDescribe: boolean) => {
      const one = aScene({ body: BINARY, mayDescribe });
      const { fields, list, recorded, digest: wanted, isAsked } = await one.decide({ kind: "ask" });
      assert.deepEqual([one.done, one.mine(), isAsked], [["ask for the right"], aPushed("db"), true]);
      assert.notEqual(wanted, WANTED);
      return [[...fields.keys()], list, recorded.binary];
    };
    assert.deepEqual(await asked(true), [["b"], "b", "listed"]);
    assert.deepEqual(await asked(false), [["b.b64"], "", "suffixed"]);
  });

  it("are listed after the fields, and a crash in between leaves a record of that", async () => {
    const one = aScene({ ...LISTED, seen: { kind: "absent" } });
    const work = await one.decide(put);
    const describes = 'describe {"keyferry.base64":"b"}';
    assert.deepEqual(one.done.slice(-4), ["record writing", "put b,a at 0", "takeToWrite", describes]);
    const { list, listing } = one.mine() ?? assert.fail();
    assert.deepEqual([list, listing, work.isDone], ["b", undefined, true]);
    const crashed = aScene({ ...LISTED, seen: { kind: "absent" }, refuses: "VAULT_FAILED" });
    await assert.rejects(crashed.decide(put), { code: "VAULT_FAILED" });
    assert.deepEqual([crashed.mine()?.listing, crashed.mine()?.list], [true, undefined]);
  });

  it("are listed alone where the fields are as they should be", async () => {
    const one = aScene({ ...LISTED, recorded: { binary: "listed", listing: true } });
    await one.decide({ kind: "list" });
    assert.deepEqual(one.done, ["takeToWrite", 'describe {"keyferry.base64":"b"}']);
    assert.deepEqual(one.mine(), aPushed("db", { binary: "listed", list: "b" }));
    const there = aScene({ ...LISTED, recorded: { binary: "listed", list: "b" } });
    assert.deepEqual([(await there.decide({ kind: "list" })).isDone, there.done], [false, []]);
  });

  it("are not listed any more when there are none", async () => {
    const one = aScene({ recorded: { binary: "listed", list: "b" } });
    await one.decide({ kind: "list" });
    assert.deepEqual(one.done, ["takeToWrite", 'describe {"keyferry.base64":null}']);
    assert.deepEqual(one.mine(), aPushed("db", { binary: "listed" }));
    const refused = aScene({ recorded: { binary: "listed", list: "b" }, refuses: "VAULT_DENIED" });
    await assert.rejects(refused.decide({ kind: "list" }), { code: "VAULT_DENIED" });
  });

  it("of others stay listed, without the names that this push writes as text", async () => {
    const of = { digest: WANTED, ownDigest: WANTED, stale: [] };
    const one = aScene({ seen: { kind: "data", version: 3, ...of, list: "a,theirs" } });
    await one.decide({ kind: "list" });
    assert.deepEqual(one.done, ["takeToWrite", 'describe {"keyferry.base64":"theirs"}']);
    assert.deepEqual(one.mine(), aPushed("db"), "the list is not this push's");
  });

  it("get a suffix, with a new look at the path, where Vault refuses the list", async () => {
    for (const refuses of ["VAULT_DENIED", "VAULT_ANSWER_INVALID"] as const) {
      const one = aScene({ ...LISTED, seen: { kind: "absent" }, refuses });
      const work = await one.decide(put);
      assert.deepEqual(
        [[...work.fields.keys()], work.list, work.seen.kind, work.isDone],
        [["b.b64"], "", "unread", false],
      );
      const { binary, listing, version } = one.mine() ?? assert.fail();
      assert.deepEqual([binary, listing, version], ["suffixed", true, 5], "the list may stand there all the same");
    }
  });
});
