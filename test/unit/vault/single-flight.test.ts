import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
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

  it("is over when its work is: who asks then starts the next one, which those who still leave do not take along", async () => {
    const flights = singleFlight<string>();
    const [end, next] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
    const first = flights.run("a", () => end.promise, forever);
    const second = end.promise.then(() => flights.run("a", () => next.promise, forever));
    end.resolve("first");
    assert.equal(await first, "first");
    const third = flights.run("a", async () => "another", forever);
    next.resolve("next");
    assert.deepEqual([await second, await third], ["next", "next"]);
  });

  it("that everyone left does not take a later one with it when it ends at last", async () => {
    const flights = singleFlight<string>();
    const [late, next] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
    const leaving = new AbortController();
    const left = flights.run("a", () => late.promise, leaving.signal);
    leaving.abort(new Error("left"));
    await assert.rejects(left, /left/);
    const second = flights.run("a", () => next.promise, forever);
    late.resolve("late");
    await late.promise;
    const third = flights.run("a", async () => "another", forever);
    next.resolve("next");
    assert.deepEqual([await second, await third], ["next", "next"]);
  });

  it("is not begun for whoever has left already", async () => {
    const flights = singleFlight<string>();
    const begun: string[] = [];
    const work = async () => {
      begun.push("a");
      return "done";
    };
    await assert.rejects(flights.run("a", work, AbortSignal.abort(new Error("left"))), /left/);
    assert.deepEqual(begun, []);
  });

  it("leaves nothing behind at the signals of its callers", async () => {
    const { signal } = new AbortController();
    await singleFlight<string>().run("a", async () => "done", signal);
    assert.deepEqual(getEventListeners(signal, "abort"), []);
  });

  it("that was ended for all is not joined, even if it does not end", async () => {
    const flights = singleFlight<string>();
    const leaving = new AbortController();
    const stuck = flights.run("a", () => Promise.withResolvers<string>().promise, leaving.signal);
    flights.abort(new Error("stopping"));
    assert.equal(await flights.run("a", async () => "new", forever), "new");
    leaving.abort(new Error("left"));
    await assert.rejects(stuck, /left/);
  });

  it("goes on when one of its callers leaves", async () => {
    const flights = singleFlight<string>();
    const end = Promise.withResolvers<string>();
    const leaving = new AbortController();
    const work = (signal: AbortSignal) => {
      signal.addEventListener("abort", () => end.reject(signal.reason));
      return end.promise;
    };
    const left = flights.run("a", work, leaving.signal);
    const stayed = flights.run("a", work, forever);
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
