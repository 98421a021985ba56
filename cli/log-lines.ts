import { type DestinationStream, destination } from "pino";

/** Lines of the same moment are written together: a system call for each would be a tenth of a sync's work. */
const LOG = { fd: 2, sync: false, minLength: 4_096, periodicFlush: 100 };

/** Log lines on stderr. A terminal or pipe that went away takes them no more, and ends or blocks nothing. */
export interface LogLines extends DestinationStream {
  /** Resolves when all of them are written, or can't be: at the end, where the library would try for ever. */
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
