import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { periods } from "../../../../lib/store/dynamodb/periods.ts";

/** A table that holds these periods of each wheel, and what was asked of it. */
function aTable(steps: Readonly<Record<string, readonly number[]>> = {}) {
  const asked: string[] = [];
  const connection = {
    get: async ({ sk, pk }: Record<string, string>, consistency: string) => {
      asked.push(`read ${consistency}`);
      const lane = `${pk} ${sk}`.includes("renew") ? "renew" : "refresh";
      return steps[lane] === undefined ? undefined : { steps: new Set(steps[lane]) };
    },
    addToSet: async (_key: unknown, attribute: string, period: number) =>
      void asked.push(`add ${period} to ${attribute}`),
  };
  return { asked, of: periods(connection as unknown as Parameters<typeof periods>[0]) };
}

describe("the periods of a wheel", () => {
  it("are read and written once for each that is new", async () => {
    const { asked, of } = aTable();
    for (const period of [60, 60, 30, 60]) await of.use("refresh", period);
    assert.deepEqual(asked, ["read eventual", "add 60 to steps", "read eventual", "add 30 to steps"]);
  });

  it("are not written again where the table has them", async () => {
    const { asked, of } = aTable({ refresh: [30, 60] });
    for (const period of [60, 30]) await of.use("refresh", period);
    assert.deepEqual(asked, ["read eventual"]);
  });

  it("are of their own wheel, in order, and none that could not be one", async () => {
    const { asked, of } = aTable({ refresh: [60, 30, 600, 0, -1, 0.5], renew: [8] });
    assert.deepEqual([await of.all("refresh"), await of.all("renew")], [[30, 60, 600], [8]]);
    assert.deepEqual(asked, ["read strong", "read strong"]);
    await of.use("renew", 60);
    assert.equal(asked.at(-1), "add 60 to steps");
  });
});
