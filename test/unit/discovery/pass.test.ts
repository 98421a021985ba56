import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Facts, inOrder, type Pass, runStages, type Stage } from "../../../lib/discovery/pass.ts";
import { SyncError } from "../../../lib/errors.ts";

const EMPTY = { cursors: {}, attempts: 0 };
const PASS = { row: { state: EMPTY } } as unknown as Pass;

/** A stage that tells that it ran, and finds this out. */
function aStage<Out extends keyof Facts>(ran: string[], name: string, found: Pick<Facts, Out>): Stage<never, Out> {
  return {
    name,
    async run() {
      ran.push(name);
      return found;
    },
  };
}

describe("the stages of a watch pass", () => {
  it("run in their order, and get what those before them found out", async () => {
    const ran: string[] = [];
    const seen: unknown[] = [];
    const last: Stage<"uid" | "state", never> = {
      name: "last",
      async run(_pass, { uid, state }) {
        seen.push(uid, state);
        return {};
      },
    };
    const state = { ...EMPTY, uid: "u" };
    const list = inOrder(aStage(ran, "first", { uid: "u" }), aStage(ran, "second", { state }), last);
    assert.equal((await runStages(PASS, list)).failed, undefined);
    assert.deepEqual(
      [ran, seen],
      [
        ["first", "second"],
        ["u", state],
      ],
    );
  });

  it("end with the first one that fails, with the state that is to be stored", async () => {
    const error = new SyncError("KUBE_DENIED", "no");
    const state = { ...EMPTY, told: 1 };
    const fails: Stage<never, never> = { name: "fails", run: async () => Promise.reject(error) };
    const unfinished = { state: { ...state, attempts: 1 }, failure: error };
    for (const [stage, expected] of [
      [fails, state],
      [aStage([], "fails", unfinished), unfinished.state],
    ] as const) {
      const ran: string[] = [];
      const list = inOrder(aStage(ran, "first", { state }), stage, aStage(ran, "never", {}));
      const run = await runStages(PASS, list);
      assert.deepEqual([run.failed, run.state, ran], [{ stage: "fails", error }, expected, ["first"]]);
    }
  });

  it("let a bug through", async () => {
    const bug: Stage<never, never> = { name: "bug", run: async () => Promise.reject(new TypeError("oops")) };
    await assert.rejects(runStages(PASS, inOrder(bug)), TypeError);
  });

  it("do not compile in an order in which one lacks what it needs", () => {
    const needs: Stage<"uid", never> = { name: "needs", run: async () => ({}) };
    const finds = aStage([], "finds", { uid: "u" });
    inOrder(finds, needs);
    // @ts-expect-error: uid is not known by then.
    inOrder(needs, finds);
  });
});
