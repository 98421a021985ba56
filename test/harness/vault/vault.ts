import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { testCa } from "../certificates.ts";
import { waitFor } from "../cluster/kube-client.ts";
import { obtain } from "../obtain/obtain.ts";
import { httpProbe } from "../process/http-probe.ts";
import { reservePorts } from "../process/ports.ts";
import { type Server, startServer } from "../process/server.ts";
import { type TempFolder, tempFolder } from "../process/temp-folder.ts";
import { type AuditLine, countAnswers, readAuditLines } from "./audit.ts";
import {
  type AuditDevice,
  auditFile,
  configFile,
  dataFolder,
  fileDevice,
  pluginFolder,
  type VaultFlavor,
  type VaultPlan,
  vaultAddress,
} from "./config-file.ts";
import { type VaultIdentities, vaultIdentities } from "./identities.ts";
import { type VaultIssuing, vaultIssuing } from "./issuing.ts";
import { type VaultLeases, vaultLeases } from "./leases.ts";
import { type VaultSetup, vaultSetup } from "./setup.ts";
import { type VaultClient, vaultClient } from "./vault-client.ts";

export interface VaultOptions {
  /** `openbao` when not given. */
  readonly flavor?: VaultFlavor;
  /** With TLS its certificate is of a CA of its own: see `caPem`. */
  readonly tls?: boolean;
  /** After which the server cancels a request of its own accord, such as `3s`; 90 s when not given. */
  readonly maxRequestDuration?: string;
  /** Besides the file, which `auditPath` names. */
  readonly auditDevices?: readonly AuditDevice[];
  /** The environment of the server: OpenBao's http device takes headers from it. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A real, initialized, unsealed and audited server. Its data outlives a stop, not the value's scope. */
export interface Vault extends VaultClient, VaultSetup, VaultIssuing, VaultIdentities, VaultLeases, AsyncDisposable {
  readonly flavor: VaultFlavor;
  readonly address: string;
  /** The root token. */
  readonly token: string;
  readonly caPem?: string;
  /** Of the authority below that one, which issued its certificate. */
  readonly issuerPem?: string;
  /** The file that its audit device writes to. */
  readonly auditPath: string;
  auditLines(): Promise<AuditLine[]>;
  /** Answered operations since the start by `<operation> <path>`, e.g. `read secret/data/app`. */
  auditedReads(): Promise<ReadonlyMap<string, number>>;
  seal(): Promise<void>;
  unseal(): Promise<void>;
  /** Starts a stopped server again on its port with its data, unsealed unless told otherwise. */
  start(options?: { readonly sealed?: boolean }): Promise<void>;
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  restart(options?: { readonly sealed?: boolean }): Promise<void>;
  /** Stays connected and answers nothing. */
  pause(): void;
  resume(): void;
  readonly server: Server;
}

const BINARIES = { openbao: "bao", vault: "vault" } as const;
/** Answering at all: ready, standby, not initialized, sealed. */
const ANSWERS = [200, 429, 501, 503];

export async function startVault(options: VaultOptions = {}): Promise<Vault> {
  const flavor = options.flavor ?? "openbao";
  await using started = new AsyncDisposableStack();
  const folder = started.use(await tempFolder(flavor));
  const [api = 0, cluster = 0] = (await reservePorts(2)).map((port) => started.use(port).port);
  const tls = options.tls === true ? await tlsFiles(folder) : undefined;
  const { maxRequestDuration, auditDevices = [] } = options;
  const plan: VaultPlan = {
    flavor,
    folder: folder.path,
    ports: { api, cluster },
    ...(tls && { tls }),
    ...(maxRequestDuration !== undefined && { maxRequestDuration }),
    auditDevices,
  };
  await Promise.all([mkdir(dataFolder(plan)), mkdir(pluginFolder(plan))]);
  const config = join(folder.path, "server.json");
  await writeFile(config, configFile(plan));
  const server = started.use(
    await startServer({
      name: flavor,
      command: await obtain(BINARIES[flavor]),
      args: ["server", `-config=${config}`],
      ...(options.env && { env: options.env }),
      ready: httpProbe(`${vaultAddress(plan)}/v1/sys/health`, tls?.caPem, ANSWERS),
      stopGraceMs: 3_000,
      // Its folder goes too, so nothing is lost by an end that is not graceful.
      disposeGraceMs: 100,
    }),
  );
  let token: string | undefined;
  const client = vaultClient(vaultAddress(plan), tls?.caPem, () => token);
  started.defer(() => client.close());
  const keys = await initialize(client);
  token = keys.token;
  await unseal(client, keys.unsealKey);
  if (flavor === "vault") {
    for (const { path, ...device } of [fileDevice(plan), ...auditDevices]) {
      await client.write(`sys/audit/${path ?? device.type}`, device);
    }
  }
  return vault({ plan, client, server, keys, parts: started.move(), ...tls });
}

interface Keys {
  readonly token: string;
  readonly unsealKey: string;
}

async function tlsFiles(folder: TempFolder) {
  const ca = await testCa("vault test server");
  const issuer = await ca.intermediate("issuer of vault test servers");
  const pair = await issuer.serverCert("vault", ["127.0.0.1", "localhost"]);
  const [certFile, keyFile] = [join(folder.path, "server.pem"), join(folder.path, "server.key")];
  await Promise.all([writeFile(certFile, pair.cert), writeFile(keyFile, pair.key, { mode: 0o600 })]);
  return { certFile, keyFile, caPem: ca.pem, issuerPem: issuer.pem };
}

async function initialize(client: VaultClient): Promise<Keys> {
  const order = { secret_shares: 1, secret_threshold: 1 };
  const answer = await client.write<{ root_token: string; keys: [string] }>("sys/init", order);
  return { token: answer.root_token, unsealKey: answer.keys[0] };
}

async function unseal(client: VaultClient, key: string): Promise<void> {
  await client.write("sys/unseal", { key }, { token: null });
  await waitFor("an unsealed and active Vault", async () => (await client.request("GET", "sys/health")).status === 200);
}

interface Parts {
  readonly plan: VaultPlan;
  readonly client: VaultClient;
  readonly server: Server;
  readonly keys: Keys;
  readonly caPem?: string;
  readonly issuerPem?: string;
  readonly parts: AsyncDisposableStack;
}

function vault({ plan, client, server, keys, caPem, issuerPem, parts }: Parts): Vault {
  const start: Vault["start"] = async ({ sealed = false } = {}) => {
    await server.start();
    if (!sealed) await unseal(client, keys.unsealKey);
  };
  return {
    ...client,
    ...vaultSetup(client, plan),
    ...vaultIssuing(client, plan),
    ...vaultIdentities(client),
    ...vaultLeases(client),
    flavor: plan.flavor,
    address: vaultAddress(plan),
    token: keys.token,
    ...(caPem !== undefined && { caPem }),
    ...(issuerPem !== undefined && { issuerPem }),
    auditPath: auditFile(plan),
    auditLines: () => readAuditLines(auditFile(plan)),
    auditedReads: async () => countAnswers(await readAuditLines(auditFile(plan))),
    seal: async () => void (await client.write("sys/seal")),
    unseal: () => unseal(client, keys.unsealKey),
    start,
    stop: () => server.stop(),
    kill: () => server.kill(),
    async restart(options) {
      await server.stop();
      await start(options);
    },
    pause: () => server.pause(),
    resume: () => server.resume(),
    server,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
