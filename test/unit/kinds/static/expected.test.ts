import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { digestKey, digestOf } from "../../../../lib/digest.ts";
import { type ErrorCode, SyncError } from "../../../../lib/errors.ts";
import type { ForeseeInput } from "../../../../lib/kinds/kind.ts";
import { expectationOf, isBelievedEarly, mustHaveReached, readAgain } from "../../../../lib/kinds/static/expected.ts";
import type { ResolvedStaticSecret } from "../../../../lib/kinds/static/resolve.ts";
import { EMPTY_STATE } from "../../../../lib/ports/rows.ts";
import type { SourceData, VaultRead } from "../../../../lib/ports/vault.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import { aRow } from "../../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const KEY = digestKey(Buffer.alloc(32, 1));
const READ = { mount: "kv", path: "db", engine: "kv-v2", version: 0 } as unknown as VaultRead;
const answer = (number?: number): SourceData => ({
  ...{ response: {}, fields: new Map() },
  ...(number === undefined ? {} : { version: { number, createdTime: "2030-01-01T00:00:00Z" } }),
});
const missing = (deletedVersion?: number, code: ErrorCode = "VAULT_PATH_MISSING") =>
  new SyncError(code, "nothing", deletedVersion === undefined ? {} : { deletedVersion });

describe("lease-table 30: what an event lets a read expect", () => {
  it("is its version, or only another answer than before, for 30 s", () => {
    const of = (expect: { version: number; at: number } | undefined, read: object = {}) =>
      expectationOf({ ...aRow(), ...(expect && { expect }) }, { ...READ, ...read }, NOW);
    assert.equal(of(undefined), undefined);
    assert.deepEqual(of({ version: 7, at: NOW }), { version: 7 });
    assert.deepEqual(of({ version: 7, at: NOW - 29_999 }), { version: 7 });
    assert.equal(of({ version: 7, at: NOW - 30_000 }), undefined);
    assert.deepEqual(of({ version: 0, at: NOW }), { version: undefined });
    assert.deepEqual(of({ version: 7, at: NOW }, { engine: "kv-v1" }), { version: undefined });
    assert.equal(of({ version: 7, at: NOW }, { version: 3 }), undefined, "a declared version never changes");
    assert.deepEqual(of({ version: 0, at: NOW }, { version: 3 }), { version: undefined });
  });

  it("is nothing any more once a node was behind for 30 s, whatever lines went on to name", () => {
    const of = (code: ErrorCode, since: number, at = NOW) => {
      const state = { ...EMPTY_STATE, error: { code, message: "", since } };
      const row = { ...aRow({ state }), expect: { version: 7, at } };
      return [expectationOf(row, READ, NOW), isBelievedEarly(row, NOW)];
    };
    assert.deepEqual(of("REPLICA_BEHIND", NOW - 29_999), [{ version: 7 }, false]);
    assert.deepEqual(of("REPLICA_BEHIND", NOW - 30_000), [undefined, true]);
    assert.deepEqual(of("VAULT_DENIED", NOW - 30_000), [{ version: 7 }, false]);
    assert.deepEqual(of("REPLICA_BEHIND", NOW - 30_000, NOW - 30_000), [undefined, false]);
  });

  it("is read again when the answer has an older version, three times", async () => {
    const again = readAgain({} as never, { version: 7 }, async () => new Map()) ?? assert.fail();
    assert.deepEqual(again.pauses, [200, 1_000, 5_000]);
    for (const [of, isOld] of [
      [answer(6), true],
      [answer(7), false],
      [answer(8), false],
      [answer(), false],
      [missing(), true],
      [missing(6), true],
      [missing(7), false],
      [missing(undefined, "VAULT_DENIED"), false],
      [missing(6, "VAULT_DENIED"), false],
    ] as const) {
      assert.equal(await again.isOld(of), isOld, JSON.stringify(of));
    }
  });

  it("without a version is read again once, when the data is what the Secret has", async () => {
    const data = (text: string) => new Map([["password", SecretValue.of(text)]]);
    const run = (digest?: string) =>
      ({
        row: aRow({ state: { ...EMPTY_STATE, ...(digest && { digest }) } }),
        digestKey: KEY,
      }) as unknown as ForeseeInput<ResolvedStaticSecret>;
    const held = run(digestOf(KEY, data("one")));
    const again = (of: ForeseeInput<ResolvedStaticSecret>, text: string) =>
      readAgain(of, { version: undefined }, async () => data(text)) ?? assert.fail();
    assert.deepEqual(again(held, "one").pauses, [1_000]);
    assert.equal(await again(held, "one").isOld(answer()), true);
    assert.equal(await again(held, "two").isOld(answer()), false);
    assert.equal(await again(run(), "one").isOld(answer()), false);
    assert.equal(await again(held, "one").isOld(missing()), false);
    assert.equal(
      readAgain(held, undefined, async () => data("one")),
      undefined,
    );
  });

  it("is told when it does not come, and read again in 30 s", () => {
    mustHaveReached(READ, answer(6), undefined);
    mustHaveReached(READ, answer(7), 7);
    for (const [of, found] of [
      [answer(6), "version 6"],
      [missing(6), "version 6"],
      [missing(), "nothing"],
    ] as const) {
      assert.throws(
        () => mustHaveReached(READ, of, 7),
        (error: SyncError) => {
          assert.ok(
            error.message.includes(
              `version 7 of kv/db was written, but the Vault node that answers has ${found} there`,
            ),
          );
          return error.code === "REPLICA_BEHIND" && error.retryAfterMs === 30_000;
        },
      );
    }
  });
});
