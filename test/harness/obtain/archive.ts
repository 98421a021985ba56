import { createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Agent, interceptors, request } from "undici";
import { checkDigest } from "./digest.ts";
import { cacheFolder, type Environment } from "./find.ts";
import type { Archive } from "./inventory.ts";
import { withLock } from "./lock.ts";
import type { Order } from "./order.ts";
import { unpack } from "./unpack.ts";

/** Many machines reach package registries only: they shall notice soon and go on to the next way. */
const CONNECT_TIMEOUT_MS = 3_000;
const SILENCE_TIMEOUT_MS = 30_000;
const MEGABYTE = 1_000_000;

/** Downloads an official archive (on from where an earlier try ended), checks it and takes the binary out. */
export async function fromArchive(archive: Archive, order: Order): Promise<void> {
  const folder = join(cacheFolder(order.env), "downloads");
  await mkdir(folder, { recursive: true });
  const file = join(folder, basename(archive.url));
  const lock = join(cacheFolder(order.env), `${basename(archive.url)}.lock`);
  const onWait = () => order.progress("waiting for another download of its archive");
  await withLock(lock, () => fetched(archive, file, order), onWait);
  await unpack(file, archive.member, order.folder, order.name);
}

/** Two servers can be in one archive, and be obtained at once: the second finds it here. */
async function fetched(archive: Archive, file: string, order: Order): Promise<void> {
  if ((await sizeOf(file)) > 0) return checkDigest(file, archive.digest);
  await download(mirrored(archive.url, order.env), `${file}.part`, order);
  await checkDigest(`${file}.part`, archive.digest).catch(async (error) => {
    await rm(`${file}.part`);
    throw error;
  });
  await rename(`${file}.part`, file);
}

/** `KEYFERRY_MIRROR` stands before host and path: `https://mirror.example.com/releases` + `/dl.k8s.io/v1.34.3/…`. */
function mirrored(url: string, env: Environment): string {
  const mirror = env.KEYFERRY_MIRROR;
  if (mirror === undefined || mirror === "") return url;
  const { host, pathname } = new URL(url);
  return `${mirror.replace(/\/$/, "")}/${host}${pathname}`;
}

async function download(url: string, part: string, order: Order): Promise<void> {
  const agent = new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS }, bodyTimeout: SILENCE_TIMEOUT_MS });
  try {
    const have = await sizeOf(part);
    const answer = await request(url, {
      dispatcher: agent.compose(interceptors.redirect({ maxRedirections: 5 })),
      headers: have > 0 ? { range: `bytes=${have}-` } : {},
      headersTimeout: SILENCE_TIMEOUT_MS,
    });
    // 416: all of it is here already.
    if (answer.statusCode === 416) return;
    if (answer.statusCode !== 200 && answer.statusCode !== 206) throw new Error(`${url} answered ${answer.statusCode}`);
    const resumed = answer.statusCode === 206;
    const total = Number(answer.headers["content-length"] ?? 0) + (resumed ? have : 0);
    const count = counter(resumed ? have : 0, total, order.progress);
    await pipeline(answer.body, count, createWriteStream(part, { flags: resumed ? "a" : "w" }));
  } finally {
    await agent.destroy();
  }
}

function counter(start: number, total: number, progress: (text: string) => void): Transform {
  let done = start;
  return new Transform({
    transform(chunk: Buffer, _encoding, next) {
      done += chunk.length;
      progress(`downloading, ${Math.floor(done / MEGABYTE)} of ${Math.ceil(total / MEGABYTE)} MB`);
      next(null, chunk);
    },
  });
}

const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );
