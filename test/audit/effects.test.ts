import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Effect } from "../../lib/audit/effect.ts";
import { effectsOf } from "../../lib/audit/effects.ts";
import { auditLine } from "../../lib/audit/line.ts";
import { EXPECTED } from "./expected.ts";
import { KINDS } from "./kinds.ts";
import { FLAVORS, recorded } from "./recorded.ts";

function meaning(line: string): readonly Effect[] {
  const read = auditLine(line);
  assert.notEqual(read, "bad", line);
  return typeof read === "string" ? [] : effectsOf(read);
}

type Fields = { [name: string]: unknown };

/** The same line with one field changed: `undefined` when it does not have that field. */
type FieldChange = (line: Fields & { request: Fields }) => Fields | undefined;

const inRequest =
  (change: (request: Fields) => Fields): FieldChange =>
  (line) => ({ ...line, request: { ...line.request, ...change(line.request) } });

/** The paths of engines: others are recognised by the places that Vault reserves for them. */
const isOfEngine = ({ path }: Fields): boolean => !/^(?:sys|auth|identity)\//.test(String(path));
const naming = (effects: readonly Effect[]): boolean =>
  effects.every((effect) => effect.kind !== "sweep" && !(effect.kind === "tokens" && effect.mount === undefined));
/** A lease without a namespace's id is of the root, whatever the namespace of the request is. */
const isLease = (effects: readonly Effect[]): boolean =>
  effects.some((effect) => (effect.kind === "path" || effect.kind === "prefix") && effect.lease === true);

/** Each field that an effect depends on, where it does. */
const FIELDS: Readonly<
  Record<string, { change: FieldChange; where?: (request: Fields, effects: readonly Effect[]) => boolean }>
> = {
  type: { change: (line) => ({ ...line, type: "request" }) },
  error: { change: (line) => ({ ...line, error: "permission denied" }) },
  operation: { change: inRequest(() => ({ operation: "read" })) },
  "another place": { change: inRequest(() => ({ path: "cubbyhole/app" })) },
  "another path": {
    change: inRequest(({ path }) => ({ path: `${path}~` })),
    where: ({ path }) => /(?:data|metadata|kv1|roles|static-roles|rotate-role)\/[^/]+$/.test(String(path)),
  },
  mount_point: { change: inRequest(() => ({ mount_point: "elsewhere/" })), where: isOfEngine },
  mount_type: { change: inRequest(() => ({ mount_type: "transit" })), where: isOfEngine },
  namespace: {
    change: inRequest(({ mount_point }) => ({ namespace: { id: "x", path: "z/" }, mount_point: `z/${mount_point}` })),
    where: (_request, effects) => naming(effects) && !isLease(effects),
  },
  version: {
    change: (line) => {
      const response = line.response as Fields;
      return { ...line, response: { ...response, data: { ...(response.data as Fields), version: 99 } } };
    },
    where: (_request, effects) => effects.some((effect) => effect.kind === "path" && effect.version !== undefined),
  },
};

for (const flavor of FLAVORS) {
  describe(`lines of ${flavor}`, () => {
    const kinds = recorded(flavor);

    it("are of every kind that is recorded, and of 45 at least", () => {
      const own = KINDS.filter(({ only = flavor }) => only === flavor).map(({ name }) => name);
      assert.deepEqual(
        kinds.map(({ kind }) => kind),
        own,
      );
      assert.ok(own.length >= 45 && new Set(own).size === own.length, `${own.length} kinds`);
    });

    for (const { kind, lines } of kinds) {
      it(`${kind}: has its effects, and no other`, () => {
        assert.ok(lines.length > 0);
        assert.deepEqual(lines.flatMap(meaning), EXPECTED[kind]);
      });
    }

    it("mean something else when a field is changed that they depend on", () => {
      const lines = kinds.flatMap(({ lines }) => lines).filter((line) => meaning(line).length > 0);
      for (const [name, { change, where = () => true }] of Object.entries(FIELDS)) {
        const depending = lines.filter((line) => where(JSON.parse(line).request as Fields, meaning(line)));
        assert.ok(depending.length > 5, `${name}: ${depending.length} lines`);
        for (const line of depending) {
          const changed = JSON.stringify(change(JSON.parse(line) as Fields & { request: Fields }));
          assert.notDeepEqual(meaning(changed), meaning(line), `${name} of ${line}`);
        }
      }
    });

    it("have no secret in them, and nothing that differs each time", () => {
      for (const line of kinds.flatMap(({ lines }) => lines)) {
        assert.doesNotMatch(line, /"(?:first|second|c2Vjb25k)"|hv[sb]\.|"[sb]\.[0-9A-Za-z]{20}|PRIVATE KEY/);
        for (const [hash] of line.matchAll(/hmac-sha256:\w+/g)) assert.match(hash, /:0{60}\w{4}$/);
        for (const [time] of line.matchAll(/20\d\d-\d\d-\d\dT/g)) assert.equal(time, "2026-01-01T");
      }
    });
  });
}

it("names no kind that is not recorded", () => {
  assert.deepEqual(Object.keys(EXPECTED).toSorted(), KINDS.map(({ name }) => name).toSorted());
});
