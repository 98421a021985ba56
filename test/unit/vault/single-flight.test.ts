import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { singleFlight } from "../../../lib/vault/single-flight.ts";

const forever = new AbortController().signal;

describe("a single flight", () => {
  it("is shared by all who ask while it is under way, and not after", async () => {
    const flights = singleFlight<number>();
    let runs = 0;
    const work = async () => ++runs;
    const shared = await Promise.all(Array.from({ length: 50 }, () => flights.run("a", work, forever)));
    assert.deepEqual(new Set(shared), new Set([1]));
    assert.equal(await flights.run("a", work, forever), 2);
  });

  it("goes on when one of its callers leaves", async () => {
    const flights = singleFlight<string>();
    const end = Promise.withResolvers<string>();
    const leaving = new AbortController();
    const left = flights.run("a", () => end.promise, leaving.signal);
    const stayed = flights.run("a", () => end.promise, forever);
    leaving.abort(new Error("left"));
    await assert.rejects(left, /left/);
    end.resolve("done");
    assert.equal(await stayed, "done");
  });

  it("is aborted when the last caller leaves, and the next one starts anew", async () => {
    const flights = singleFlight<string>();
    const leaving = new AbortController();
    const aborted = Promise.withResolvers<void>();
    const stuck = (signal: AbortSignal) =>
      new Promise<string>((_, reject) => {
        signal.addEventListener("abort", () => {
          aborted.resolve();
          reject(signal.reason);
        });
      });
    const left = flights.run("a", stuck, leaving.signal);
    leaving.abort(new Error("left"));
    await assert.rejects(left, /left/);
    await aborted.promise;
    assert.equal(await flights.run("a", async () => "new", forever), "new");
  });

  it("gives its failure to all", async () => {
    const flights = singleFlight<string>();
    const work = () => Promise.reject(new Error("refused"));
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => flights.run("a", work, forever)));
    assert.ok(outcomes.every(({ status }) => status === "rejected"));
  });

  it("is ended for all when everything stops", async () => {
    const flights = singleFlight<string>();
    const work = (signal: AbortSignal) =>
      new Promise<string>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    const waiting = flights.run("a", work, forever);
    flights.abort(new Error("stopping"));
    await assert.rejects(waiting, /stopping/);
  });
});
