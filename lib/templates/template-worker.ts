import { parentPort, workerData } from "node:worker_threads";
import { wasiHost } from "./wasi.ts";

/** The engine's exports (lib/transform/engine/exports.go). */
interface Engine {
  readonly memory: WebAssembly.Memory;
  _initialize(): void;
  allocate(size: number): number;
  /** Address and length of the answer, 32 bits each. */
  answer(size: number): bigint;
}

function start(module: WebAssembly.Module): (request: Uint8Array) => Uint8Array {
  const host = wasiHost(module);
  const instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: host.imports });
  const engine = instance.exports as unknown as Engine;
  host.attach(engine.memory);
  engine._initialize();
  return (request) => {
    const at = engine.allocate(request.length);
    new Uint8Array(engine.memory.buffer, at, request.length).set(request);
    const place = BigInt.asUintN(64, engine.answer(request.length));
    return new Uint8Array(engine.memory.buffer, Number(place >> 32n), Number(place & 0xffff_ffffn)).slice();
  };
}

/** Compiles most of the code that a rendering needs, so that the first real one is not slow. */
const WARM_UP = JSON.stringify({ templates: [{ name: "a", key: "a", text: "{{ get .Secrets `a` | upper }}" }] });

const answer = start(workerData as WebAssembly.Module);
answer(new TextEncoder().encode(WARM_UP));
parentPort?.postMessage("ready");
parentPort?.on("message", (request: Uint8Array) => parentPort?.postMessage(answer(request)));
