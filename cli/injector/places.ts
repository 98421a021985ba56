import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { type ClientConfig, clientConfig } from "../../lib/admission/registration.ts";
import type { EpochMs } from "../../lib/clock.ts";
import { InputError } from "../../lib/errors.ts";
import type { Fleet, FleetCluster } from "../../lib/fleet/fleet.ts";
import { isFunctionUrl } from "../../lib/fleet/injector-serving-schema.ts";
import { KEY_PATTERN, keyHash } from "../../lib/injector-keys.ts";
import { codeOf } from "../../lib/util/error-code.ts";
import { clusterOfFile } from "../named-clusters.ts";
import { managedKeyOf } from "./managed-keys.ts";
import { hasOwnCa, ownCaBundle } from "./own-ca.ts";

/** The cluster of the fleet by its name. Throws an InputError that names those that there are. */
export function clusterOf(fleet: Fleet, name: string, fileName: string): FleetCluster {
  return clusterOfFile(fleet, name, { fileName, subject: "injector" });
}

export interface PlaceOptions {
  readonly fleet: Fleet;
  readonly folder: string;
  readonly fileName: string;
  readonly cluster: FleetCluster;
  readonly dataDir: string;
  /** A file with the key; `-`: stdin. */
  readonly keyFile?: string;
  readonly now: EpochMs;
}

export interface WebhookPlace {
  readonly config: ClientConfig;
  /** The data directory in which there was no CA before. */
  readonly caMadeIn?: string;
}

/** Where the API server of the cluster finds the webhook. Throws an InputError. */
export async function placeOf(options: PlaceOptions): Promise<WebhookPlace> {
  const { fleet, cluster, fileName } = options;
  const url = cluster.injector?.url ?? fleet.injector?.url;
  if (url === undefined) {
    throw new InputError("injector", [
      `${fileName} does not say where the webhook is: set injector.url to the function URL, or to https://HOST:PORT of keyferry run`,
    ]);
  }
  const key = await keyOf(options);
  const hadCa = hasOwnCa(options.dataDir);
  const ca = await caOf(options, url);
  const config = clientConfig({ url, cluster: cluster.name, key, ...(ca === undefined ? {} : { ca }) });
  return { config, ...(!hadCa && hasOwnCa(options.dataDir) ? { caMadeIn: resolve(options.dataDir) } : {}) };
}

async function keyOf({ cluster, dataDir, keyFile, fileName, now }: PlaceOptions): Promise<string> {
  const { name, injector } = cluster;
  const key = keyFile === undefined ? managedKeyOf(dataDir, name, now) : (await keyText(keyFile)).trim();
  if (key === undefined) {
    throw new InputError("injector", [
      `the key of cluster ${name} is not known: make one with keyferry injector key ${name}, and name its file with --key-file`,
    ]);
  }
  if (!KEY_PATTERN.test(key)) throw new InputError(keyFile ?? dataDir, ["it holds no key of keyferry injector key"]);
  if (keyFile !== undefined && !injector?.keys?.includes(keyHash(key))) {
    throw new InputError(keyFile, [
      `its hash is not among clusters[${name}].injector.keys of ${fileName}: add ${keyHash(key)}, so that the webhook knows it`,
    ]);
  }
  return key;
}

async function keyText(path: string): Promise<string> {
  if (path === "-") return textOf(process.stdin);
  return readFile(path, "utf8").catch((error: unknown) => {
    throw new InputError(path, [`it can't be read (${codeOf(error) ?? "unknown"})`]);
  });
}

export interface KnownCa {
  /** PEM certificates. */
  readonly ca: string;
  /** Where they are. */
  readonly from: string;
}

/** The CA certificates that the registration of a cluster should have; undefined: that is not known. */
export async function knownCa(
  options: Pick<PlaceOptions, "fleet" | "folder" | "cluster" | "dataDir" | "now">,
): Promise<KnownCa | undefined> {
  const { fleet, cluster, dataDir } = options;
  const { url, caFile } = fleet.injector ?? {};
  if (caFile === undefined && !hasOwnCa(dataDir)) return undefined;
  // One that only the user of keyferry run may read, for example.
  const ca = await caOf(options, cluster.injector?.url ?? url ?? "").catch(() => undefined);
  return ca === undefined ? undefined : { ca, from: caFile ?? dataDir };
}

/** Undefined: certificates that API servers trust anyway, as those of function URLs. */
async function caOf(
  { fleet, folder, dataDir, now }: Pick<PlaceOptions, "fleet" | "folder" | "dataDir" | "now">,
  url: string,
): Promise<string | undefined> {
  const { caFile, certFile, listen } = fleet.injector ?? {};
  if (isFunctionUrl(url)) return undefined;
  if (caFile !== undefined) return keyText(resolve(folder, caFile));
  if (certFile !== undefined) return undefined;
  return listen !== undefined || hasOwnCa(dataDir) ? ownCaBundle(dataDir, now) : undefined;
}
