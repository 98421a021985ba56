import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { sealingKeys } from "../../../lib/sealing-keys.ts";
import { SecretValue } from "../../../lib/secret-value.ts";
import { lazySealer } from "../../../lib/vault/lazy-sealer.ts";
import { tokenSeals } from "../../../lib/vault/token-seals.ts";
import { aKey } from "../../builders.ts";

const [OLD, NEW] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const TOKEN = SecretValue.of("hvs.of-an-issue");
const KEY = aKey();

const seals = (keys: readonly Buffer[], installation = "ours") =>
  tokenSeals({ keys: async () => keys, installation, randomBytes });

describe("the token of an issue", () => {
  it("is opened for the sync and the issue that it was sealed for", async () => {
    const sealed = await seals([OLD]).seal(TOKEN, KEY, "1");
    assert.doesNotMatch(Buffer.from(sealed, "base64").toString("latin1"), /hvs/);
    assert.equal((await seals([OLD]).open(sealed, KEY, "1"))?.reveal().toString(), "hvs.of-an-issue");
    assert.equal(await seals([OLD]).open(sealed, KEY, "2"), undefined);
    assert.equal(await seals([OLD]).open(sealed, aKey("other"), "1"), undefined);
    assert.equal(await seals([OLD], "theirs").open(sealed, KEY, "1"), undefined);
    assert.equal(await seals([OLD]).open(sealed.slice(4), KEY, "1"), undefined);
  });

  it("is none that was sealed for another purpose with the same key", async () => {
    const options = { keys: async () => [OLD], installation: "ours", randomBytes };
    const other = (await lazySealer(options)()).seal(TOKEN.reveal(), JSON.stringify(["ours", KEY, "1"])).text;
    assert.equal(await tokenSeals(options).open(other, KEY, "1"), undefined);
    assert.equal(await tokenSeals(options).open(await tokenSeals(options).seal(TOKEN, KEY, "1"), KEY, "0"), undefined);
  });

  it("is opened with a former key, and sealed with the first one", async () => {
    const sealed = await seals([OLD]).seal(TOKEN, KEY, "1");
    assert.ok(await seals([NEW, OLD]).open(sealed, KEY, "1"));
    assert.equal(await seals([NEW]).open(sealed, KEY, "1"), undefined);
    assert.ok(await seals([NEW]).open(await seals([NEW, OLD]).seal(TOKEN, KEY, "1"), KEY, "1"));
  });

  it("waits for a key that could not be had", async () => {
    let asked = 0;
    const keys = async () => {
      asked += 1;
      if (asked === 1) throw new Error("away");
      return [OLD];
    };
    const own = tokenSeals({ keys, installation: "ours", randomBytes });
    await assert.rejects(own.seal(TOKEN, KEY, "1"), /away/);
    assert.ok(await own.open(await own.seal(TOKEN, KEY, "1"), KEY, "1"));
    assert.equal(asked, 2);
  });
});

describe("a file of sealing keys", () => {
  it("has one key per line, the present one first", () => {
    const text = `${NEW.toString("base64")}\n\n${OLD.toString("base64")}\n`;
    assert.deepEqual(sealingKeys(text), [NEW, OLD]);
  });

  it("is broken if any line is none", () => {
    for (const text of ["", "\n", "AAAA", `${NEW.toString("base64")}\nAAAA`])
      assert.equal(sealingKeys(text), undefined);
  });
});
