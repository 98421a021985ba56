import { closeSync, openSync } from "node:fs";

/**
 * SIGHUP asks for configuration to be read again. A terminal that is closed sends it too: then the process is asked to
 * stop, for nobody is left who would.
 */
export function onHangUp(reload: () => void): Disposable {
  const hadTerminal = hasTerminal();
  const heard = (): void => {
    if (!hadTerminal || hasTerminal()) {
      reload();
      return;
    }
    process.kill(process.pid, "SIGTERM");
    // At the very end as any program whose terminal went away: Node itself stumbles over settings that it can't put back.
    process.once("exit", () => {
      process.removeAllListeners("SIGHUP");
      process.kill(process.pid, "SIGHUP");
    });
  };
  process.on("SIGHUP", heard);
  return { [Symbol.dispose]: () => void process.off("SIGHUP", heard) };
}

/** Whether a terminal controls this process: `/dev/tty` stands for it, and can't be opened when there is none. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}
