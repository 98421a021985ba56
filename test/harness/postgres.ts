import { randomBytes } from "node:crypto";
import { chown, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Client, DatabaseError, type QueryResultRow } from "pg";
import { obtainPostgres } from "./obtain/postgres.ts";
import { runTool } from "./obtain/run-tool.ts";
import { isOpenToAll, linkTree, type User, userBesideRoot } from "./process/other-user.ts";
import { reservePort } from "./process/ports.ts";
import { type Server, startServer } from "./process/server.ts";
import { tempFolder } from "./process/temp-folder.ts";

export interface Login {
  readonly user: string;
  readonly password: string;
}

/** A real PostgreSQL of its own port and folder. Its data outlives a stop, not the value's scope. */
export interface Postgres extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** A superuser, for Vault. */
  readonly superuser: Login;
  /** Whether this user gets in with this password; throws when the server cannot be asked. */
  login(user: string, password: string): Promise<boolean>;
  /** The names of all roles that may log in but the superuser, sorted. */
  roles(): Promise<readonly string[]>;
  /** As superuser. */
  query<R extends QueryResultRow = QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<R[]>;
  /** Has this advisory lock until the value is disposed of: others wait for it. */
  lock(key: number): Promise<AsyncDisposable>;
  /** Ends all connections at once. Connections to a stopped server are refused. */
  stop(): Promise<void>;
  start(): Promise<void>;
  readonly server: Server;
}

const HOST = "127.0.0.1";
const DATABASE = "postgres";
const SUPERUSER = "harness";
/** On a busy machine a login may take seconds; a stopped server refuses at once. */
const CONNECT_TIMEOUT_MS = 30_000;
/** invalid_password (also: no such role, or no longer valid) and invalid_authorization_specification (may not log in). */
const REFUSALS = ["28P01", "28000"];
/** Its data is thrown away, so nothing waits for the disk; memory for 100 connections. */
const SETTINGS = {
  listen_addresses: HOST,
  unix_socket_directories: "",
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  shared_buffers: "16MB",
  // In its folder, so that nothing is left behind when it is killed.
  dynamic_shared_memory_type: "mmap",
};

export async function startPostgres(): Promise<Postgres> {
  await using started = new AsyncDisposableStack();
  const [installed, user] = await Promise.all([obtainPostgres(), userBesideRoot()]);
  const folder = started.use(await tempFolder("postgres"));
  const { port } = started.use(await reservePort());
  if (user !== undefined) await chown(folder.path, user.uid, user.gid);
  const bin = user === undefined ? installed : await openBinaries(installed, folder.path);
  const data = join(folder.path, "data");
  const superuser = { user: SUPERUSER, password: randomBytes(12).toString("hex") };
  await initialize({ bin, data, folder: folder.path, superuser, ...(user && { user }) });
  const settings = Object.entries({ ...SETTINGS, port }).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const server = started.use(
    await startServer({
      name: "postgres",
      command: join(bin, "postgres"),
      args: ["-D", data, ...settings],
      ready: () => withClient(port, superuser, async () => true),
      // At SIGTERM it would wait until the last client has gone.
      stopSignal: "SIGINT",
      // Its processes are in groups of their own: after a SIGKILL of the first, the others may still hold the data.
      stopGraceMs: 30_000,
      env: { LC_ALL: "C" },
      disposeGraceMs: 1_000,
      ...(user && { user }),
    }),
  );
  const parts = started.move();
  const query = <R extends QueryResultRow>(sql: string, values: readonly unknown[] = []) =>
    withClient(port, superuser, async (client) => (await client.query<R>(sql, [...values])).rows);
  return {
    host: HOST,
    port,
    database: DATABASE,
    superuser,
    login: (name, password) => login(port, { user: name, password }),
    query,
    async lock(key) {
      const client = await connected(port, superuser);
      await client.query("SELECT pg_advisory_lock($1)", [key]);
      return { [Symbol.asyncDispose]: () => client.end().catch(() => undefined) };
    },
    async roles() {
      const sql = "SELECT rolname AS name FROM pg_roles WHERE rolcanlogin AND rolname <> $1 ORDER BY rolname";
      return (await query<{ name: string }>(sql, [SUPERUSER])).map(({ name }) => name);
    },
    stop: () => server.stop(),
    start: () => server.start(),
    server,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** The binaries where another user than root can run them. */
async function openBinaries(installed: string, folder: string): Promise<string> {
  if (await isOpenToAll(installed)) return installed;
  const home = join(folder, "postgres");
  await linkTree(dirname(installed), home);
  return join(home, "bin");
}

async function initialize(plan: {
  readonly bin: string;
  readonly data: string;
  readonly folder: string;
  readonly superuser: Login;
  readonly user?: User;
}): Promise<void> {
  const { bin, data, folder, superuser, user } = plan;
  const passwordFile = join(folder, "password");
  await mkdir(data, { mode: 0o700 });
  await writeFile(passwordFile, superuser.password, { mode: 0o600 });
  if (user !== undefined) for (const path of [data, passwordFile]) await chown(path, user.uid, user.gid);
  const args = [
    ["--pgdata", data],
    ["--username", superuser.user],
    ["--pwfile", passwordFile],
    ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions", "--wal-segsize=1"],
  ];
  await runTool(join(bin, "initdb"), args.flat(), { cwd: folder, env: { LC_ALL: "C" }, ...(user && { user }) });
}

async function connected(port: number, login: Login): Promise<Client> {
  const client = new Client({
    host: HOST,
    port,
    database: DATABASE,
    ...login,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  // The end of the server is told to the query that runs, and here; without a listener it would end the process.
  client.on("error", () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

async function withClient<T>(port: number, login: Login, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await connected(port, login);
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

const login = (port: number, who: Login): Promise<boolean> =>
  withClient(port, who, async () => true).catch((error: unknown) => {
    if (error instanceof DatabaseError && REFUSALS.includes(error.code ?? "")) return false;
    throw error;
  });
