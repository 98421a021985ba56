import { mkdir } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { obtainVenv } from "./obtain/venv.ts";
import { httpProbe } from "./process/http-probe.ts";
import { reservePort } from "./process/ports.ts";
import { type Server, startServer } from "./process/server.ts";
import { tempFolder } from "./process/temp-folder.ts";

/** What every AWS client needs to speak to it. */
export interface AwsClientConfig {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** The APIs of AWS in one process of this machine; its functions are processes of its group, so they end with it. */
export interface Ministack extends AsyncDisposable {
  readonly url: string;
  readonly region: string;
  readonly clientConfig: AwsClientConfig;
  /** For commands: where AWS is and who asks. No profile and no other account of this machine leaks in. */
  readonly env: Readonly<Record<string, string>>;
  /** Where the code of running functions lies. */
  readonly folder: string;
  readonly server: Server;
}

export interface MinistackOptions {
  /** More for its environment, which its functions inherit. */
  readonly env?: Readonly<Record<string, string>>;
}

const REGION = "eu-central-1";
const CREDENTIALS = { accessKeyId: "test", secretAccessKey: "test" };
/** Listeners and files that we have no use for. */
const QUIET = { SFTP_ENABLED: "0", IOT_MTLS_ENABLED: "0", PERSIST_STATE: "0", LOG_LEVEL: "INFO" };

export async function startMinistack(options: MinistackOptions = {}): Promise<Ministack> {
  await using started = new AsyncDisposableStack();
  const [python, folder, port] = await Promise.all([
    obtainVenv("ministack"),
    tempFolder("ministack").then((made) => started.use(made)),
    reservePort().then((reserved) => started.use(reserved)),
  ]);
  const url = `http://127.0.0.1:${port.port}`;
  const temporary = join(folder.path, "tmp");
  await mkdir(temporary);
  const server = started.use(
    await startServer({
      name: "ministack",
      command: python,
      args: ["-m", "ministack.app"],
      ready: httpProbe(`${url}/_ministack/health`),
      stopGraceMs: 5_000,
      disposeGraceMs: 500,
      env: {
        ...QUIET,
        // The Node that runs us runs its functions.
        PATH: [dirname(process.execPath), process.env.PATH ?? ""].join(delimiter),
        TMPDIR: temporary,
        BIND_HOST: "127.0.0.1",
        GATEWAY_PORT: String(port.port),
        MINISTACK_HOST: "127.0.0.1",
        MINISTACK_REGION: REGION,
        ...options.env,
      },
    }),
  );
  const parts = started.move();
  return {
    url,
    region: REGION,
    clientConfig: { endpoint: url, region: REGION, credentials: CREDENTIALS },
    env: {
      AWS_ENDPOINT_URL: url,
      AWS_REGION: REGION,
      AWS_DEFAULT_REGION: REGION,
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    },
    folder: temporary,
    server,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
