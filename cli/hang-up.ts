import { closeSync, openSync } from "node:fs";

/**
 * SIGHUP reloads the configuration. A closed terminal sends it too: then the process stops, because nobody else would
 * stop it.
 */
export function onHangUp(reload: () => void): Disposable {
  const hadTerminal = hasTerminal();
  const heard = (): void => {
    if (!hadTerminal || hasTerminal()) {
      reload();
      return;
    }
    process.kill(process.pid, "SIGTERM");
    // Exits like any program whose terminal is gone: Node itself fails to restore the terminal's settings.
    process.once("exit", () => {
      process.removeAllListeners("SIGHUP");
      process.kill(process.pid, "SIGHUP");
    });
  };
  process.on("SIGHUP", heard);
  return { [Symbol.dispose]: () => void process.off("SIGHUP", heard) };
}

/** Whether a terminal controls this process: without one, `/dev/tty` can't be opened. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}
