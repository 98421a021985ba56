import { type DestinationStream, destination } from "pino";

/** Lines of the same moment are written together: one system call for each would take a tenth of a sync's work. */
const LOG = { fd: 2, sync: false, minLength: 4_096 };
/** The longest that a line waits for others. The library's own option writes ten times a second, lines or none. */
const LINE_WAITS_MS = 100;

/** Log lines on stderr. After its terminal or pipe is gone, lines are dropped; the process neither ends nor blocks. */
export interface LogLines extends DestinationStream {
  /** Resolves when all lines are written or can't be written. Without it the library would retry for ever at exit. */
  flushed(): Promise<void>;
}

export function logLines(): LogLines {
  const lines = destination(LOG);
  let isLost = false;
  lines.on("error", () => {
    isLost = true;
    lines.destroy();
  });
  let bytesLeft = 0;
  let isTimed = false;
  lines.on("write", (written) => {
    bytesLeft -= written;
  });
  const flush = (): void => {
    isTimed = false;
    if (isLost || bytesLeft <= 0) return;
    // Does nothing while another write goes on, and lines may be left after it.
    lines.flush();
    flushSoon();
  };
  const flushSoon = (): void => {
    if (isTimed) return;
    isTimed = true;
    setTimeout(flush, LINE_WAITS_MS).unref();
  };
  return {
    write(line) {
      if (isLost) return;
      bytesLeft += Buffer.byteLength(line);
      lines.write(line);
      flushSoon();
    },
    async flushed() {
      // While another write goes on, the library calls back after that one, and what came since is left.
      while (!isLost && bytesLeft > 0) await flushedOnce(lines);
    },
  };
}

/** A failed write is told by the event. What this says of is the fsync after it, which no pipe or terminal has. */
function flushedOnce(lines: Pick<ReturnType<typeof destination>, "flush">): Promise<void> {
  return new Promise((resolve) => lines.flush(() => resolve()));
}
