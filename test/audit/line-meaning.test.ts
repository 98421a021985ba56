import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { skippedUnread } from "../../lib/audit/line.ts";
import { lineReader } from "../../lib/audit/line-meaning.ts";
import type { OwnCalls } from "../../lib/ports/own-calls.ts";
import { ownCalls } from "../../lib/vault/own-calls.ts";
import { FLAVORS, recorded } from "./recorded.ts";

const AT = Date.UTC(2026, 0, 1);
const NONE = { kind: "none" };

for (const flavor of FLAVORS) {
  const lines = new Map(recorded(flavor).map(({ kind, lines }) => [kind, lines]));
  const response = (kind: string): string => lines.get(kind)?.find((line) => /"type":"response"/.test(line)) ?? "";
  const request = (kind: string) => (JSON.parse(response(kind)) as { request: { id: string; path: string } }).request;
  const revoked = (note: (own: OwnCalls) => unknown, kind: string) => {
    const own = ownCalls();
    note(own);
    return lineReader(own)(response(kind));
  };

  describe(`an audit line of ${flavor}`, () => {
    it("means effects, with the time of the line, or nothing, or is no audit line", () => {
      const read = lineReader();
      const effects = [{ kind: "path", path: "kv/app", version: 2 }];
      assert.deepEqual(read(response("kv-v2: write")), { kind: "effects", effects, at: AT });
      assert.deepEqual(read(response("kv-v2: write").replaceAll(/"time":"[^"]+"/g, '"time":"soon"')), {
        ...{ kind: "effects", effects },
      });
      for (const kind of ["kv-v2: read", "transit: encrypt", "token: renew itself", "kv-v2: write that is refused"]) {
        assert.deepEqual(read(response(kind)), NONE);
      }
      for (const text of ["", "{}", "[]", "null", "half a line", response("kv-v2: write").slice(0, -7)]) {
        assert.deepEqual(read(text), { kind: "bad" }, text);
      }
    });

    it("is not even read when it tells of no change", () => {
      const noise = ["kv-v2: read", "kv-v2: list", "database: read credentials", "token: renew itself", "pki: issue"];
      for (const line of noise.flatMap((kind) => lines.get(kind) ?? [])) {
        const isRequest = line.includes('"type":"request"');
        assert.equal(skippedUnread(line) !== undefined, isRequest || !line.includes('"path":"pki/issue/web"'), line);
      }
    });

    it("of our own revocation has no effect, of another's it has", () => {
      const [byPath, bySerial] = ["leases: revoke by the path", "pki: revoke a certificate"];
      const lease = request(byPath).path.replace("sys/leases/revoke/", "");
      assert.deepEqual(
        revoked((own) => own.revokes(lease), byPath),
        NONE,
      );
      assert.equal(revoked((own) => own.revokes(`${lease}0`), byPath).kind, "effects");
      assert.deepEqual(
        revoked((own) => own.asked(request(bySerial).id), bySerial),
        NONE,
      );
      assert.equal(revoked((own) => own.asked(request(byPath).id), bySerial).kind, "effects");
    });

    it("of a revocation by the body has the id by which it may be our own: a mark, else that of the request", async () => {
      const own = ownCalls();
      const mark = await own.mark();
      for (const kind of ["leases: revoke by the body", "pki: revoke a certificate"]) {
        const marked = response(kind).replace('"data":{', `"data":{"${mark}":true,`);
        assert.notEqual(marked, response(kind));
        const [plain, withMark] = [lineReader()(response(kind)), lineReader()(marked)];
        assert.ok(plain.kind === "effects" && withMark.kind === "effects");
        assert.deepEqual([plain.id, withMark.id], [request(kind).id, mark]);
        assert.deepEqual([lineReader(own)(marked), lineReader(own)(response(kind)).kind], [NONE, "effects"]);
      }
      const write = response("kv-v2: write").replace('"data":{', `"data":{"${mark}":true,`);
      assert.ok(write.includes(mark) && lineReader(own)(write).kind === "effects", "a mark is of revocations alone");
      const { id: itsId } = request("leases: revoke by the body");
      for (const id of ["", "x".repeat(101)]) {
        const other = lineReader()(response("leases: revoke by the body").replaceAll(itsId, id));
        assert.ok(other.kind === "effects" && other.id === undefined, "no key of a table");
      }
      const byPath = lineReader()(response("leases: revoke by the path"));
      assert.ok(byPath.kind === "effects" && byPath.id === undefined);
    });
  });
}
