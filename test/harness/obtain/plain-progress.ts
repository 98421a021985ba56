const EVERY_MS = 10_000;

/** Progress as lines on stderr with the time since the start; repeats of one stage at most every ten seconds. */
export function plainProgress(name: string, write: (line: string) => void = writeStderr): (text: string) => void {
  const start = performance.now();
  let last = { stage: "", at: 0 };
  return (text) => {
    const now = performance.now();
    const stage = text.replace(/[\d.]+/g, "#");
    if (stage === last.stage && now - last.at < EVERY_MS) return;
    last = { stage, at: now };
    write(`${name}: ${text} (${Math.round((now - start) / 1_000)} s)\n`);
  };
}

const writeStderr = (line: string): void => void process.stderr.write(line);
