import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { cachedPath, platform } from "../../harness/obtain/find.ts";
import { INVENTORY, type InventoryItem } from "../../harness/obtain/inventory.ts";
import { obtainItem } from "../../harness/obtain/obtain.ts";
import { reservePort } from "../../harness/process/ports.ts";
import { tempFolder } from "../../harness/process/temp-folder.ts";

const NAME = "tiny";

describe("obtain", () => {
  it("takes the official archive from a mirror, and the cache the second time", async () => {
    await using world = await makeWorld();
    const path = await world.obtain();
    assert.equal(execFileSync(path, { encoding: "utf8" }), "tiny 1.2.3\n");
    assert.equal(path, cachedPath(NAME, world.item, world.env));
    assert.equal(await world.obtain(), path);
    assert.deepEqual(world.requests(), [`/releases.example.com/v1.2.3/${NAME}.tar.gz`]);
    assert.deepEqual(
      (await readdir(world.cache)).filter((name) => name.startsWith("keyferry-obtain-")),
      [],
    );
  });

  it("refuses an archive of another checksum, keeps nothing of it and goes on to the next way", async () => {
    await using world = await makeWorld({ digest: `sha256:${"0".repeat(64)}` });
    await assert.rejects(world.obtain(), (error: Error) => {
      assert.match(error.message, /tiny 1\.2\.3 cannot be obtained/);
      assert.match(error.message, /archive: its sha256 is [0-9a-f]{64}, not the pinned 0{64}: refused/);
      assert.match(error.message, /- wheel: there is no wheel for/);
      assert.match(error.message, /KEYFERRY_TINY/);
      return true;
    });
    assert.deepEqual(await readdir(join(world.cache, "downloads")), []);
  });

  it("goes on from where a broken download ended", async () => {
    await using world = await makeWorld();
    const half = Math.floor(world.archive.length / 2);
    await mkdir(join(world.cache, "downloads"), { recursive: true });
    await writeFile(join(world.cache, "downloads", `${NAME}.tar.gz.part`), world.archive.subarray(0, half));
    await world.obtain();
    assert.deepEqual(world.sent(), [world.archive.length - half]);
  });

  it("is done with a mirror that does not answer after three seconds", async () => {
    await using world = await makeWorld();
    const start = performance.now();
    // An address of documentation (RFC 5737): nobody answers there, or the network refuses at once.
    const env = { ...world.env, KEYFERRY_MIRROR: "http://192.0.2.1" };
    await assert.rejects(obtainItem(NAME, world.item, { env, progress: () => undefined }), /- archive: /);
    // A connection that nobody answers is given up by the system after more than two minutes.
    assert.ok(performance.now() - start < 60_000);
  });

  it("uses the binary that its variable names, and refuses one that is not there", async () => {
    await using world = await makeWorld();
    const mine = await script(join(world.cache, "mine"), "mine");
    assert.equal(await world.obtain({ KEYFERRY_TINY: mine }), mine);
    await assert.rejects(world.obtain({ KEYFERRY_TINY: "/nowhere" }), /KEYFERRY_TINY names \/nowhere/);
  });

  it("uses a binary on PATH only of a version that fits", async () => {
    await using world = await makeWorld();
    const [old, fitting] = [join(world.cache, "old"), join(world.cache, "fitting")];
    await Promise.all([script(join(old, NAME), "tiny 0.9"), script(join(fitting, NAME), "tiny 1.2.9")]);
    assert.equal(await world.obtain({ PATH: `${old}:${fitting}:${process.env.PATH}` }), join(fitting, NAME));
  });

  it("does the work once when several processes want it at once", async () => {
    await using world = await makeWorld({ delayMs: 300 });
    const code = `
      import { obtainItem } from ${JSON.stringify(join(import.meta.dirname, "../../harness/obtain/obtain.ts"))};
      const item = { ...${JSON.stringify(world.item)}, accepts: /(?!)/ };
      console.log(await obtainItem("${NAME}", item));`;
    const env = { ...process.env, ...world.env };
    const run = promisify(execFile);
    const ask = () => run(process.execPath, ["--input-type=module-typescript", "-e", code], { env });
    const answers = await Promise.all([ask(), ask(), ask()]);
    assert.deepEqual(
      new Set(answers.map(({ stdout }) => stdout.trim())),
      new Set([cachedPath(NAME, world.item, world.env)]),
    );
    assert.equal(world.requests().length, 1);
  });

  it("leaves nothing half done in the cache when it is killed, and the next one does it", async () => {
    await using world = await makeWorld({ delayMs: 5_000 });
    const code = `
      import { obtainItem } from ${JSON.stringify(join(import.meta.dirname, "../../harness/obtain/obtain.ts"))};
      await obtainItem("${NAME}", { ...${JSON.stringify(world.item)}, accepts: /(?!)/ });`;
    const env = { ...process.env, ...world.env };
    const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", code], { env, stdio: "ignore" });
    await world.firstRequest;
    child.kill("SIGKILL");
    world.hurry();
    const path = await world.obtain();
    assert.equal(existsSync(path), true);
  });
});

describe("the inventory", () => {
  it("pins every archive and wheel by a checksum of full length", () => {
    for (const item of Object.values<InventoryItem>(INVENTORY)) {
      const wheels = item.build.kind === "wheel" ? Object.values(item.build.platforms) : [];
      for (const { digest } of [...Object.values(item.archives ?? {}), ...wheels]) {
        assert.match(digest, /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/);
      }
    }
  });

  it("has the versions that the pinned modules build", async () => {
    const pinned = async (module: string) =>
      readFile(join(import.meta.dirname, `../../harness/build/${module}/go.mod`), "utf8");
    assert.match(await pinned("vault"), new RegExp(`hashicorp/vault v${INVENTORY.vault.version} `));
    assert.match(await pinned("kubernetes"), new RegExp(`k8s.io/kubernetes v${INVENTORY["kube-apiserver"].version} `));
    assert.match(await pinned("etcd"), new RegExp(`etcd/server/v3 v${INVENTORY.etcd.version} `));
    for (const plugin of ["vault-plugin-auth-kubernetes", "vault-plugin-secrets-kubernetes"] as const)
      assert.match(await pinned("vault"), new RegExp(`${plugin} v${INVENTORY[plugin].version} `));
  });
});

interface World extends AsyncDisposable {
  readonly item: InventoryItem;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cache: string;
  readonly archive: Buffer;
  readonly firstRequest: Promise<void>;
  requests(): readonly string[];
  /** Bytes per answer. */
  sent(): readonly number[];
  hurry(): void;
  obtain(env?: Readonly<Record<string, string>>): Promise<string>;
}

/** A mirror with a tiny archive, an empty cache and an item whose second way is closed. */
async function makeWorld(given: { digest?: string; delayMs?: number } = {}): Promise<World> {
  await using made = new AsyncDisposableStack();
  const folder = made.use(await tempFolder("obtain-test"));
  const { port } = made.use(await reservePort());
  await script(join(folder.path, "bin", NAME), "tiny 1.2.3");
  execFileSync("tar", ["-czf", join(folder.path, "a.tar.gz"), "-C", folder.path, `bin/${NAME}`]);
  const archive = await readFile(join(folder.path, "a.tar.gz"));
  const cache = join(folder.path, "cache");
  await mkdir(cache);
  const mirror = makeMirror(archive, given.delayMs ?? 0);
  await new Promise<void>((resolve) => mirror.server.listen(port, "127.0.0.1", resolve));
  made.defer(() => void mirror.server.close().closeAllConnections());
  const digest = given.digest ?? `sha256:${createHash("sha256").update(archive).digest("hex")}`;
  const url = `https://releases.example.com/v1.2.3/${NAME}.tar.gz`;
  const item: InventoryItem = {
    version: "1.2.3",
    variable: "KEYFERRY_TINY",
    versionArgs: [],
    accepts: /tiny 1\.2\./,
    archives: { [platform()]: { url, digest, member: `bin/${NAME}` } },
    build: { kind: "wheel", package: "none", member: "none", platforms: {} },
  };
  const env = { PATH: process.env.PATH, KEYFERRY_CACHE: cache, KEYFERRY_MIRROR: `http://127.0.0.1:${port}` };
  const parts = made.move();
  return {
    item,
    env,
    cache,
    archive,
    ...mirror,
    obtain: (more = {}) => obtainItem(NAME, item, { env: { ...env, ...more }, progress: () => undefined }),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

function makeMirror(archive: Buffer, delayMs: number) {
  const [requests, sent]: [string[], number[]] = [[], []];
  const first = Promise.withResolvers<void>();
  let delay = delayMs;
  const server: Server = createServer((request, answer) => {
    requests.push(request.url ?? "");
    first.resolve();
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const body = archive.subarray(from);
    sent.push(body.length);
    setTimeout(() => {
      answer.writeHead(from > 0 ? 206 : 200, { "content-length": body.length });
      answer.end(body);
    }, delay).unref();
  });
  return {
    server,
    firstRequest: first.promise,
    requests: () => requests,
    sent: () => sent,
    hurry: () => {
      delay = 0;
    },
  };
}

async function script(path: string, says: string): Promise<string> {
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, `#!/bin/sh\necho "${says}"\n`);
  await chmod(path, 0o755);
  return path;
}
