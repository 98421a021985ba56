import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { postingInlet } from "../../../lib/inlets/posting-inlet.ts";
import { recordedDeps } from "../../unit/inlets/recorder.ts";

const signal = new AbortController().signal;

/** A receiver that answers by the lines of a POST, and an inlet that posts to it. */
async function aReceiver(answer: (lines: readonly string[]) => number) {
  const posts: { readonly lines: readonly string[]; readonly missed: unknown; readonly status: number }[] = [];
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    const text = String(request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body);
    const lines = text.split("\n").filter((line) => line !== "");
    const status = answer(lines);
    posts.push({ lines, missed: request.headers["x-keyferry-missed"], status });
    response.writeHead(status).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const deps = recordedDeps();
  const inlet = postingInlet({
    ...{ url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`), log: deps.log },
    ...{ clock: deps.clock, keys: async () => [Buffer.alloc(32, "k")] },
  });
  return {
    ...{ posts, deps, inlet },
    taken: () => posts.flatMap(({ lines, status }) => (status === 200 ? lines : [])),
    async [Symbol.asyncDispose]() {
      await inlet.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const LINES = ["one", "two", "bad", "four", "five"];

describe("an inlet that posts", () => {
  for (const status of [400, 413, 415]) {
    it(`leaves out the line that is answered with ${status} also alone, and says that lines are missing`, async () => {
      await using receiver = await aReceiver((lines) => (lines.includes("bad") ? status : 200));
      assert.deepEqual(await receiver.inlet.take(LINES, signal), { lines: 5, bad: 1, nudged: 0 });
      assert.deepEqual(receiver.taken(), ["one", "two", "four", "five"]);
      const accepted = receiver.posts.filter((post) => post.status === 200);
      assert.deepEqual(accepted.map(({ missed }) => missed).filter(Boolean), ["overflow"]);
      const dropped = receiver.deps.events.filter(({ event }) => event === "audit-lines-dropped");
      assert.deepEqual(
        dropped.map(({ fields }) => fields.lines),
        [1],
      );
    });
  }

  it("says that the last line is missing before it counts as taken", async () => {
    await using receiver = await aReceiver((lines) => (lines.includes("bad") ? 400 : 200));
    assert.deepEqual(await receiver.inlet.take(["bad"], signal), { lines: 1, bad: 1, nudged: 0 });
    assert.deepEqual(receiver.posts.at(-1), { lines: [], missed: "overflow", status: 200 });
    await receiver.inlet.take(["next"], signal);
    assert.deepEqual(receiver.posts.at(-1), { lines: ["next"], missed: undefined, status: 200 });
  });

  for (const status of [400, 413, 415]) {
    it(`keeps all lines while even no lines are answered with ${status}: they are not the cause`, async () => {
      let isBroken = true;
      await using receiver = await aReceiver(() => (isBroken ? status : 200));
      for (let tries = 0; tries < 2; tries++) {
        await assert.rejects(receiver.inlet.take(LINES, signal), { name: "PostFailed", status });
      }
      const failed = receiver.deps.events.filter(({ event }) => event === "relay-failed");
      assert.deepEqual(
        failed.map(({ fields }) => fields.why),
        [`it answered ${status}`],
      );
      isBroken = false;
      assert.deepEqual(await receiver.inlet.take(LINES, signal), { lines: 5, bad: 0, nudged: 0 });
      assert.deepEqual(receiver.posts.at(-1), { lines: LINES, missed: undefined, status: 200 });
    });
  }

  it("says only once for all lines of a call that some are missing", async () => {
    await using receiver = await aReceiver((lines) => (lines.includes("bad") ? 400 : 200));
    assert.deepEqual(await receiver.inlet.take(["bad", "one", "bad"], signal), { lines: 3, bad: 2, nudged: 0 });
    assert.deepEqual(receiver.posts.map(({ missed }) => missed).filter(Boolean), ["overflow"]);
  });

  it("keeps lines that are refused for another reason", async () => {
    await using receiver = await aReceiver(() => 401);
    await assert.rejects(receiver.inlet.take(LINES, signal), /it answered 401/);
    assert.equal(receiver.posts.length, 1);
  });
});
