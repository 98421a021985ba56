import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chosenKeys } from "../../../cli/chosen-keys.ts";
import { InputError } from "../../../lib/errors.ts";
import { aKey } from "../../builders.ts";

const known = [aKey("cache"), aKey("db"), aKey("db", "west")];
const chosen = (...texts: readonly string[]) =>
  chosenKeys(
    texts,
    async (key) => known.includes(key),
    async () => known,
  );

async function complaint(...texts: readonly string[]): Promise<string> {
  const error: unknown = await chosen(...texts).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof InputError);
  return error.complaints.join("\n");
}

describe("the keys that people name", () => {
  it("are taken each once, in their order", async () => {
    assert.deepEqual(await chosen(aKey("db"), aKey("cache"), aKey("db")), [aKey("db"), aKey("cache")]);
  });

  it("may be patterns", async () => {
    assert.deepEqual(await chosen("east/*"), [aKey("cache"), aKey("db")]);
    assert.deepEqual(await chosen("*/db", aKey("cache")), [aKey("db"), aKey("db", "west"), aKey("cache")]);
  });

  it("are guessed after a slip of the pen", async () => {
    assert.match(
      await complaint("east/VaultStaticSecrets/shop/db"),
      /no such sync \(did you mean east\/.*\/shop\/db\?\)/,
    );
    assert.match(
      await complaint("east/vaultstaticsecret/shpo/cache"),
      /did you mean east\/VaultStaticSecret\/shop\/cache\?/,
    );
    assert.match(await complaint("cache"), /must be CLUSTER\/KIND\/NAMESPACE\/NAME.*did you mean east\/.*cache\?/);
  });

  it("are not guessed when nothing is near, or two are as near", async () => {
    assert.doesNotMatch(await complaint("north/VaultAuth/elsewhere/nobody"), /did you mean/);
    assert.doesNotMatch(await complaint("db"), /did you mean/);
  });

  it("are refused all at once, each with its name", async () => {
    const text = await complaint("west/VaultStaticSecret/shop/dbb", "nothing", "south/*");
    assert.match(text, /^west.*dbb: there is no such sync/m);
    assert.match(text, /^nothing: it must be CLUSTER/m);
    assert.match(text, /^south\/\*: no sync matches/m);
  });
});
