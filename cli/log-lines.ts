import { type DestinationStream, destination } from "pino";

/** Lines of the same moment are written together: one system call for each would take a tenth of a sync's work. */
const LOG = { fd: 2, sync: false, minLength: 4_096, periodicFlush: 100 };

/** Log lines on stderr. After its terminal or pipe is gone, lines are dropped; the process neither ends nor blocks. */
export interface LogLines extends DestinationStream {
  /** Resolves when all lines are written or can't be written. Without it the library would retry for ever at exit. */
  flushed(): Promise<void>;
}

export function logLines(): LogLines {
  const lines = destination(LOG);
  let isLost = false;
  const lose = (): void => {
    if (isLost) return;
    isLost = true;
    lines.destroy();
  };
  lines.on("error", lose);
  return {
    write(line) {
      if (!isLost) lines.write(line);
    },
    async flushed() {
      if (isLost) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      lines.flush((error) => {
        if (error) lose();
        resolve();
      });
      await promise;
    },
  };
}
