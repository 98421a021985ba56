import { readFile } from "node:fs/promises";

/** What the operating system says of one process. */
export interface Usage {
  /** User and system time, in ms. */
  readonly cpuMs: number;
  /** Resident now and at its highest, in MiB. */
  readonly rssMiB: number;
  readonly peakRssMiB: number;
}

/** Linux counts a process's time in hundredths of a second. */
const MS_PER_TICK = 10;
const KIB_PER_MIB = 1_024;

/** Reads /proc of one process. */
export async function usageOf(pid: number): Promise<Usage> {
  const [stat, status] = await Promise.all([
    readFile(`/proc/${pid}/stat`, "utf8"),
    readFile(`/proc/${pid}/status`, "utf8"),
  ]);
  // The name, in brackets, may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK,
    rssMiB: kib("VmRSS") / KIB_PER_MIB,
    peakRssMiB: kib("VmHWM") / KIB_PER_MIB,
  };
}
