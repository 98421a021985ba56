import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { described } from "../described.ts";
import { codeOf } from "../util/error-code.ts";
import type { Lines } from "./lines.ts";
import type { Positions } from "./position.ts";
import { type Progress, progressOf } from "./progress.ts";
import { findFile, nextFile } from "./rotated.ts";
import { type InletDeps, type Sink, untilDone } from "./sink.ts";
import { lastLineEnd, openTail, type Tail } from "./tail.ts";
import { pauseOf } from "./waits.ts";
import { watchFolder } from "./watch-folder.ts";

export interface FollowOptions {
  /** The audit file. */
  readonly path: string;
  readonly positions: Positions;
  readonly sink: Sink;
  /** Hears how many bytes of the file are not taken yet. */
  readonly onLag?: (bytes: number) => void;
}

/** The file is also looked at so often: not every file system reports changes. */
const POLL_MS = SECOND_MS;
/** After a rotation there may be no file for a moment. */
const ABSENT_MS = 10 * SECOND_MS;
/** A busy log changes with each line: lines of so long are taken together. */
const GAP_MS = 20;
const AGAIN_MS = 10 * SECOND_MS;
const LOGGED_EVERY_MS = MINUTE_MS;

/**
 * Follows an audit file until the signal, through rotations. Its position is stored once its lines are taken, so that
 * no line is lost, and few come twice. A first start begins at the end of the file.
 */
export async function followFile(deps: InletDeps, options: FollowOptions, stop: AbortSignal): Promise<void> {
  const { path, sink } = options;
  let loggedAt: EpochMs | undefined;
  while (!stop.aborted) {
    try {
      await follow(deps, options, stop);
    } catch (error) {
      if (loggedAt === undefined || deps.clock() - loggedAt >= LOGGED_EVERY_MS) {
        loggedAt = deps.clock();
        const why = codeOf(error) ?? described(error).error;
        const remedy = "it must be a file that keyferry may read";
        deps.log.error("inlet-unavailable", { vault: sink.vault, inlet: sink.way, path, why, remedy });
      }
      await deps.sleep(AGAIN_MS, stop);
    }
  }
}

interface Run {
  readonly deps: InletDeps;
  readonly options: FollowOptions;
  readonly progress: Progress;
  /** The inodes of the rotated files that were read since the current one. */
  readonly before: Set<string>;
  readonly stop: AbortSignal;
}

async function follow(deps: InletDeps, options: FollowOptions, stop: AbortSignal): Promise<void> {
  const { path, positions, sink } = options;
  const pause = pauseOf(deps.sleep);
  using _watch = watchFolder(path, () => pause.wake());
  const progress = progressOf(deps, { path, positions, what: { vault: sink.vault, inlet: sink.way } });
  const run: Run = { deps, options, progress, before: new Set(), stop };
  let tail = await begin(run);
  const absence = absenceOf(deps, options);
  deps.log.info("inlet-following", { vault: sink.vault, inlet: sink.way, path });
  try {
    while (!stop.aborted) {
      const next: Tail | undefined = tail === undefined ? await openNew(run) : await step(run, tail);
      const isOther = next !== tail;
      tail = next;
      absence.note(tail === undefined);
      // Its position is stored with its first lines, which tell it from others.
      if (isOther) continue;
      await progress.save();
      await deps.sleep(GAP_MS, stop);
      await pause.wait(POLL_MS, stop);
    }
  } finally {
    await progress.saveLast();
    await tail?.[Symbol.asyncDispose]();
  }
}

/** Tells once a minute of a file that is not there: its path may be wrong, or no device writes to it. */
function absenceOf({ clock, log }: InletDeps, { path, sink }: FollowOptions): { note(isAbsent: boolean): void } {
  let tellAt: EpochMs | undefined;
  return {
    note(isAbsent) {
      if (!isAbsent) tellAt = undefined;
      else if (tellAt === undefined) tellAt = clock() + ABSENT_MS;
      else if (clock() >= tellAt) {
        tellAt = clock() + LOGGED_EVERY_MS;
        const remedy = "make sure that the path is right, and that Vault's audit device is enabled";
        log.warn("inlet-file-missing", { vault: sink.vault, inlet: sink.way, path, remedy });
      }
    },
  };
}

/** The file of the stored position; undefined while there is none. */
async function begin(run: Run): Promise<Tail | undefined> {
  const { options, progress } = run;
  const { path, positions } = options;
  const stored = await positions.load();
  if (stored === "none") return atEnd(run);
  if (stored !== "broken" && stored.path === path) {
    if (stored.file === undefined) return undefined;
    const found = await findFile(path, stored.file);
    if (found !== undefined) {
      if (found.isCopy) await missed(run);
      progress.taken(stored.file);
      return openTail({ path: found.path, offset: stored.file.offset });
    }
  }
  // The end first: the sweep finds what was written before it.
  const tail = await openAtEnd(path);
  await missed(run);
  if (!run.stop.aborted) progress.taken(tail?.position());
  return tail;
}

/** Only what is written from now on counts, also in a file that does not exist yet. */
async function atEnd({ options: { path }, progress }: Run): Promise<Tail | undefined> {
  const tail = await openAtEnd(path);
  progress.taken(tail?.position());
  return tail;
}

function openAtEnd(path: string): Promise<Tail | undefined> {
  return ifThere(async () => openTail({ path, offset: await lastLineEnd(path) }));
}

async function openNew({ options: { path }, progress }: Run): Promise<Tail | undefined> {
  const tail = await ifThere(() => openTail({ path, offset: 0 }));
  progress.taken(tail?.position());
  return tail;
}

async function ifThere(open: () => Promise<Tail>): Promise<Tail | undefined> {
  try {
    return await open();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Reads what is there. Resolves with the next file when this one gets no more lines. */
async function step(run: Run, tail: Tail): Promise<Tail | undefined> {
  const { path } = run.options;
  if (await tail.isTruncated()) return afterTruncation(run, tail);
  await drain(run, tail);
  const { changedNs } = await tail.stat();
  const next = await nextFile(path, { inode: tail.inode, changedNs, before: run.before });
  if (next.path === undefined || run.stop.aborted) return tail;
  // The next file has lines, so no more come to this one: what it has now is all.
  await drain(run, tail);
  await take(run, tail.rest());
  if (next.isGap) await missed(run);
  return run.stop.aborted ? tail : replaced(run, tail, next.path);
}

async function replaced(run: Run, tail: Tail, path: string): Promise<Tail | undefined> {
  const next = await ifThere(() => openTail({ path, offset: 0 }));
  // It was renamed meanwhile: looked for again.
  if (next === undefined) return tail;
  await tail[Symbol.asyncDispose]();
  if (path === run.options.path) run.before.clear();
  else run.before.add(tail.inode);
  run.progress.taken(next.position());
  return next;
}

/** copytruncate: the rest is in the copy. Lines that were written between copy and truncation are nowhere. */
async function afterTruncation(run: Run, tail: Tail): Promise<Tail | undefined> {
  const { path } = run.options;
  const position = tail.position();
  const copy = await findFile(path, position);
  if (copy?.isCopy) {
    await using rest = await openTail({ path: copy.path, offset: position.offset });
    await drain(run, rest);
    await take(run, rest.rest());
  }
  await missed(run);
  return run.stop.aborted ? tail : replaced(run, tail, path);
}

/** Takes all lines that the file has now. */
async function drain(run: Run, tail: Tail): Promise<void> {
  const { onLag } = run.options;
  for (let isEnd = false; !isEnd; ) {
    const { offset } = tail.position();
    const lines = await tail.read();
    const { size } = await tail.stat();
    onLag?.(size - offset);
    await take(run, lines);
    // A stop in between: these lines are not taken, and come again.
    if (run.stop.aborted) return;
    const position = tail.position();
    run.progress.taken(position);
    onLag?.(size - position.offset);
    await run.progress.save();
    isEnd = lines.isEnd;
  }
}

async function take({ deps, options: { sink }, stop }: Run, lines: Lines): Promise<void> {
  if (lines.lines.length + lines.tooLong === 0) return;
  await untilDone(deps, { vault: sink.vault, inlet: sink.way }, (signal) => sink.take(lines, signal), stop);
}

async function missed({ deps, options: { sink }, stop }: Run): Promise<void> {
  const what = { vault: sink.vault, inlet: sink.way, missed: "offset-gone" };
  await untilDone(deps, what, (signal) => sink.missed("offset-gone", signal), stop);
}
