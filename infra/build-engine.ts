// Builds the template engine to WebAssembly: node bin/node24.js infra/build-engine.ts [FOLDER]
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";

const run = promisify(execFile);
const compress = promisify(brotliCompress);

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const SOURCES = join(ROOT, "lib/transform/engine");

/** The folder of the committed engine, beside its loader. */
export const ENGINE_FOLDER = join(ROOT, "lib/templates");

/** What a committed engine was built from; a test compares it with the sources, and a build with the result. */
export interface EngineRecord {
  /** The Go version: `go1.26.8`. Another one produces other bytes. */
  readonly go: string;
  readonly sourceSha256: string;
  /** Of the uncompressed module. */
  readonly wasmSha256: string;
}

/** The engine's memory limit in pages of 64 KiB: 128 MiB. */
const MAX_PAGES = 2048;

const sha256 = (...parts: readonly (string | Uint8Array)[]): string =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex");

export async function sourceSha256(): Promise<string> {
  const names = (await readdir(SOURCES)).filter((name) => /\.go$|^go\.(mod|sum)$/.test(name)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(SOURCES, name))));
  return sha256(...names.flatMap((name, at) => [`${name} ${texts[at]?.length}\n`, texts[at] ?? ""]));
}

/** The Go version on this machine; undefined without Go. */
export async function goVersion(): Promise<string | undefined> {
  try {
    return (await run("go", ["env", "GOVERSION"], { cwd: SOURCES, env: GO_ENV })).stdout.trim();
  } catch {
    return undefined;
  }
}

/** Keeps settings of this machine out of the build. */
const GO_ENV = { ...process.env, GOFLAGS: "", GOTOOLCHAIN: "local", GOWORK: "off", GOWASM: "" };

/** The module; the same Go builds the same bytes anywhere. */
export async function buildEngine(): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "keyferry-engine-"));
  try {
    const path = join(folder, "engine.wasm");
    const flags = ["-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags=-s -w"];
    const env = { ...GO_ENV, GOOS: "wasip1", GOARCH: "wasm" };
    await run("go", ["build", ...flags, "-o", path, "."], { cwd: SOURCES, env });
    return withMemoryLimit(await readFile(path));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The same program as a native command, for tests. */
export async function buildNative(path: string): Promise<void> {
  await run("go", ["build", "-trimpath", "-buildvcs=false", "-o", path, "."], { cwd: SOURCES, env: GO_ENV });
}

const MEMORY_SECTION = 5;
const HEADER_BYTES = 8;

/** Go sets no memory limit, so this rewrites the section that declares the memory. */
function withMemoryLimit(module: Buffer): Uint8Array {
  for (let at = HEADER_BYTES; at < module.length; ) {
    const size = leb128(module, at + 1);
    if (module[at] !== MEMORY_SECTION) {
      at = size.next + size.value;
      continue;
    }
    // One memory, without a limit: [1, 0, pages].
    const pages = leb128(module, size.next + 2);
    if (module[size.next] !== 1 || module[size.next + 1] !== 0) throw new Error("not the memory that Go declares");
    const body = [1, 1, ...toLeb128(pages.value), ...toLeb128(MAX_PAGES)];
    const section = Buffer.from([MEMORY_SECTION, ...toLeb128(body.length), ...body]);
    return Buffer.concat([module.subarray(0, at), section, module.subarray(size.next + size.value)]);
  }
  throw new Error("the module declares no memory");
}

function leb128(bytes: Uint8Array, from: number): { readonly value: number; readonly next: number } {
  let value = 0;
  for (let at = from, shift = 0; ; at++, shift += 7) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { value, next: at + 1 };
  }
}

function toLeb128(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...toLeb128(Math.floor(value / 0x80))];
}

export async function recordOf(module: Uint8Array): Promise<EngineRecord> {
  return { go: (await goVersion()) ?? "none", sourceSha256: await sourceSha256(), wasmSha256: sha256(module) };
}

async function main(folder: string): Promise<void> {
  const module = await buildEngine();
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 };
  await writeFile(join(folder, "engine.wasm.br"), await compress(module, { params }));
  await writeFile(join(folder, "engine.json"), `${JSON.stringify(await recordOf(module), null, 2)}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2] ?? ENGINE_FOLDER);
