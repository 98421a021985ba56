/** The host functions for Go's runtime, without access to anything: time, randomness, and errors for the rest. */

/** WASI's errno for a bad file descriptor. */
const BADF = 8;

/** The longest wait inside the engine: Go then asks again. */
const MAX_WAIT_MS = 10;

export interface WasiHost {
  readonly imports: WebAssembly.ModuleImports;
  /** Call with the module's memory, which the functions use. */
  attach(memory: WebAssembly.Memory): void;
}

export function wasiHost(module: WebAssembly.Module): WasiHost {
  let memory: WebAssembly.Memory | undefined;
  const bytes = (): ArrayBuffer => {
    if (memory === undefined) throw new Error("the engine has no memory yet");
    return memory.buffer;
  };
  const view = (): DataView => new DataView(bytes());
  const none = (count: number, size: number): number => {
    view().setUint32(count, 0, true);
    view().setUint32(size, 0, true);
    return 0;
  };
  const answered: WebAssembly.ModuleImports = {
    args_sizes_get: none,
    args_get: () => 0,
    environ_sizes_get: none,
    environ_get: () => 0,
    sched_yield: () => 0,
    clock_time_get: (clock: number, _precision: bigint, at: number) => {
      view().setBigUint64(at, clock === 0 ? BigInt(Date.now()) * 1_000_000n : process.hrtime.bigint(), true);
      return 0;
    },
    random_get: (at: number, length: number) => {
      // crypto accepts 64 KiB at a time; Go asks for less.
      crypto.getRandomValues(new Uint8Array(bytes(), at, length));
      return 0;
    },
    poll_oneoff: (from: number, to: number, count: number, written: number) =>
      waitForClocks(view(), { from, to, count, written }),
    proc_exit: () => {
      throw new Error("the engine ended");
    },
  };
  // A panic's message could quote data: it counts as written and is discarded.
  answered.fd_write = (_fd: number, vectors: number, count: number, written: number) => {
    let total = 0;
    for (let at = 0; at < count; at++) total += view().getUint32(vectors + 8 * at + 4, true);
    view().setUint32(written, total, true);
    return 0;
  };
  const names = WebAssembly.Module.imports(module).map(({ name }) => name);
  return {
    imports: Object.fromEntries(names.map((name) => [name, answered[name] ?? (() => BADF)])),
    attach(given) {
      memory = given;
    },
  };
}

interface Poll {
  readonly from: number;
  readonly to: number;
  readonly count: number;
  readonly written: number;
}

const SUBSCRIPTION_BYTES = 48;
const EVENT_BYTES = 32;
const CLOCK = 0;

/** Go's scheduler waits only for clocks. */
function waitForClocks(view: DataView, { from, to, count, written }: Poll): number {
  let events = 0;
  for (let at = 0; at < count; at++) {
    const subscription = from + SUBSCRIPTION_BYTES * at;
    if (view.getUint8(subscription + 8) !== CLOCK) continue;
    const waitMs = Math.min(Number(view.getBigUint64(subscription + 24, true)) / 1e6, MAX_WAIT_MS);
    if (waitMs > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, waitMs);
    const event = to + EVENT_BYTES * events++;
    view.setBigUint64(event, view.getBigUint64(subscription, true), true);
    view.setUint16(event + 8, 0, true);
    view.setUint8(event + 10, CLOCK);
  }
  view.setUint32(written, events, true);
  return 0;
}
