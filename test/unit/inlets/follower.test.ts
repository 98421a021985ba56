import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { appendFile, copyFile, mkdir, mkdtemp, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { followFile } from "../../../lib/inlets/follower.ts";
import { MAX_LINE_BYTES } from "../../../lib/inlets/lines.ts";
import { positionFile } from "../../../lib/inlets/position.ts";
import { sinkOf } from "../../../lib/inlets/sink.ts";
import { NO_ANSWER, type RecordedDeps, type RecordingInlet, recordedDeps, recordingInlet, until } from "./recorder.ts";

/** As long as an audit line, so that the head of a file tells it from others. */
const line = (text: string | number): string => `{"line":"${text}","padding":"${"-".repeat(80)}"}`;
const numbered = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from }, (_, at) => line(from + at));
const textOf = (lines: readonly string[]): string => lines.map((one) => `${one}\n`).join("");

describe("a followed audit file", () => {
  let folder: string;
  let path: string;
  let deps: RecordedDeps;
  let inlet: RecordingInlet;
  let running: Running[];

  interface Running {
    stop(): Promise<void>;
    lag(): number;
  }

  /** Follows as a process does; another one continues where it stopped. */
  function start(): Running {
    const stop = new AbortController();
    let lag = 0;
    const positions = positionFile(join(folder, "state", "main.json"));
    const sink = sinkOf(inlet, "file", deps);
    const done = followFile(deps, { path, positions, sink, onLag: (bytes) => (lag = bytes) }, stop.signal);
    const one = {
      lag: () => lag,
      async stop() {
        stop.abort();
        await done;
      },
    };
    running.push(one);
    return one;
  }

  const append = (lines: readonly string[]): Promise<void> => appendFile(path, textOf(lines));
  const got = (lines: readonly string[]): Promise<void> =>
    until(`${lines.length} lines`, () => inlet.lines.length >= lines.length).then(() =>
      assert.deepEqual(inlet.lines, lines),
    );
  /** The follower knows the file: a position is stored. */
  const isFollowing = (): Promise<void> =>
    until("a stored position", () => existsSync(join(folder, "state", "main.json")));

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "keyferry-follower-"));
    path = join(folder, "audit.log");
    deps = recordedDeps();
    inlet = recordingInlet();
    running = [];
  });
  afterEach(async () => {
    await Promise.all(running.map((one) => one.stop()));
    await rm(folder, { recursive: true });
  });

  it("is told of once a minute while it is not there", async () => {
    const told = () => deps.events.filter(({ event }) => event === "inlet-file-missing");
    start();
    await isFollowing();
    // Each look is seen by a clock that has moved on, whenever that look comes.
    await until("two lines in the log", () => {
      deps.now += 10_000;
      return told().length >= 2;
    });
    const [first, second, ...more] = told();
    assert.ok(first && second && second.at - first.at >= 60_000);
    assert.deepEqual([first.fields.path, second.fields.path, more], [path, path, []]);
  });

  it("is read from its end at first, and then as it grows", async () => {
    await append(numbered(0, 5));
    start();
    await isFollowing();
    await append([line("a")]);
    await got([line("a")]);
    await append([line("b"), line("c")]);
    await got([line("a"), line("b"), line("c")]);
    assert.deepEqual(inlet.reasons, []);
  });

  it("is read from its start if it appears later", async () => {
    const first = start();
    await isFollowing();
    await first.stop();
    await append(numbered(0, 3));
    start();
    await got(numbered(0, 3));
    assert.deepEqual(inlet.reasons, []);
  });

  it("gives a line when its newline is written", async () => {
    await writeFile(path, "");
    start();
    await isFollowing();
    await appendFile(path, line("whole").slice(0, 20));
    await appendFile(path, line("whole").slice(20));
    assert.deepEqual(inlet.lines, []);
    await appendFile(path, `\n${line("next").slice(0, 5)}`);
    await got([line("whole")]);
  });

  it("continues after a stop of any length: no line is lost", async () => {
    await writeFile(path, "");
    const first = start();
    await isFollowing();
    await append(numbered(0, 10));
    await got(numbered(0, 10));
    await first.stop();
    await append(numbered(10, 1_010));
    deps.now += 15 * 60_000;
    start();
    await got(numbered(0, 1_010));
    assert.deepEqual(inlet.reasons, []);
  });

  it("repeats lines that were not taken when it was stopped", async () => {
    await writeFile(path, "");
    const first = start();
    await isFollowing();
    inlet.failure = NO_ANSWER;
    await append(numbered(0, 10));
    await until("an attempt", () => deps.events.some(({ event }) => event === "inlet-failed"));
    await first.stop();
    inlet.failure = undefined;
    start();
    await got(numbered(0, 10));
  });

  it("waits for an inlet that fails, and gives up nothing", async () => {
    await writeFile(path, "");
    start();
    await isFollowing();
    inlet.failure = NO_ANSWER;
    await append(numbered(0, 10));
    await until("an attempt", () => deps.events.some(({ event }) => event === "inlet-failed"));
    await append(numbered(10, 20));
    inlet.failure = undefined;
    await got(numbered(0, 20));
  });

  it("is followed through a rename while its writer still has the old file", async () => {
    await writeFile(path, "");
    start();
    await isFollowing();
    await append(numbered(0, 3));
    await rename(path, `${path}.1`);
    await writeFile(path, "");
    await appendFile(`${path}.1`, textOf(numbered(3, 6)));
    await got(numbered(0, 6));
    await append(numbered(6, 9));
    await got(numbered(0, 9));
    assert.deepEqual(inlet.reasons, []);
  });

  it("is followed through several rotations during a stop", async () => {
    await append(numbered(0, 3));
    const first = start();
    await isFollowing();
    await append(numbered(3, 5));
    await got(numbered(3, 5));
    await first.stop();
    await append(numbered(5, 10));
    for (const [from, to] of [
      [10, 20],
      [20, 30],
    ] as const) {
      await rename(`${path}.1`, `${path}.2`).catch(() => undefined);
      await rename(path, `${path}.1`);
      await append(numbered(from, to));
    }
    start();
    await got(numbered(3, 30));
    assert.deepEqual(inlet.reasons, []);
  });

  it("says that lines are missing if a rotated file is compressed or deleted", async () => {
    for (const rotate of [() => rename(`${path}.1`, `${path}.1.gz`), () => rm(`${path}.1`)]) {
      await rm(folder, { recursive: true });
      await mkdir(folder);
      inlet = recordingInlet();
      await append(numbered(0, 3));
      const first = start();
      await isFollowing();
      await append([line("a")]);
      await got([line("a")]);
      await first.stop();
      await rename(path, `${path}.1`);
      await append(numbered(10, 20));
      await rotate();
      const second = start();
      await until("a sweep", () => inlet.reasons.length > 0);
      await append([line("b")]);
      await got([line("a"), line("b")]);
      assert.deepEqual(inlet.reasons, ["offset-gone"]);
      await second.stop();
    }
  });

  it("is missed after a crash just behind a rotation if it is gone then, though the rotated file is there", async () => {
    await append([line("before")]);
    const follower = start();
    await isFollowing();
    await append([line("a")]);
    await got([line("a")]);
    await rename(path, `${path}.1`);
    await append([line("b")]);
    await got([line("a"), line("b")]);
    const stored = join(folder, "state", "main.json");
    const { ino } = await stat(path);
    await until("its position", () => readFileSync(stored, "utf8").includes(`"${ino}"`));
    const crashed = readFileSync(stored);
    await follower.stop();
    await writeFile(stored, crashed);
    await rm(path);
    await writeFile(path, textOf([line("c")]));
    start();
    await until("a sweep", () => inlet.reasons.includes("offset-gone"));
  });

  it("is not mistaken for another file that got its inode", async () => {
    await append(numbered(0, 3));
    const first = start();
    await isFollowing();
    await first.stop();
    const before = await stat(path);
    await truncate(path);
    await append(numbered(100, 110));
    assert.equal((await stat(path)).ino, before.ino);
    start();
    await until("a sweep", () => inlet.reasons.length > 0);
    assert.deepEqual(inlet.lines, []);
  });

  it("is followed through copytruncate, and its syncs are swept, because the copy may lack lines", async () => {
    await append(numbered(0, 3));
    start();
    await isFollowing();
    inlet.gate = new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
    await append(numbered(3, 6));
    await copyFile(path, `${path}.1`);
    await truncate(path);
    await append(numbered(6, 7));
    await until("a sweep", () => inlet.reasons.length > 0);
    await until("the lines", () => inlet.lines.includes(line(6)));
    for (const one of numbered(3, 7)) assert.ok(inlet.lines.includes(one), one);
    assert.deepEqual(inlet.reasons, ["offset-gone"]);
  });

  it("counts a line that is too long as bad, and continues", async () => {
    await writeFile(path, "");
    start();
    await isFollowing();
    await append([line("a"), "x".repeat(MAX_LINE_BYTES + 1), line("b")]);
    await got([line("a"), line("b")]);
    assert.equal(deps.counts.get("keyferry_inlet_bad_lines_total main file"), 1);
    assert.equal(deps.counts.get("keyferry_inlet_lines_total main file"), 3);
  });

  it("takes a huge backlog in batches, and shows how far it is", async () => {
    await writeFile(path, "");
    const first = start();
    await isFollowing();
    await first.stop();
    const lines = numbered(0, 100_000);
    await append(lines);
    const second = start();
    await until("all lines", () => inlet.lines.length >= lines.length);
    assert.deepEqual(inlet.lines, lines);
    assert.ok(inlet.calls.length > 1 && Math.max(...inlet.calls) < 50_000, `${inlet.calls}`);
    await until("no lag", () => second.lag() === 0);
  });

  it("begins anew with a sweep if its position can't be read", async () => {
    await mkdir(join(folder, "state"));
    await writeFile(join(folder, "state", "main.json"), '{"version":1,"path":');
    await append(numbered(0, 3));
    start();
    await until("a sweep", () => inlet.reasons.length > 0);
    await append([line("a")]);
    await got([line("a")]);
    assert.deepEqual(inlet.reasons, ["offset-gone"]);
  });

  it("says why it can't be read, and recovers", async () => {
    await mkdir(path);
    start();
    await until("an error", () => deps.events.some(({ event }) => event === "inlet-unavailable"));
    const failure = deps.events.find(({ event }) => event === "inlet-unavailable");
    const { remedy, ...fields } = failure?.fields ?? {};
    assert.deepEqual(fields, { vault: "main", inlet: "file", path, why: "ENOTFILE" });
    assert.match(String(remedy), /keyferry may read/);
    await rm(path, { recursive: true });
    deps.events.length = 0;
    await isFollowing();
    await append([line("a")]);
    await got([line("a")]);
  });
});
