import { readFile } from "node:fs/promises";
import { posix } from "node:path";
import { stringify } from "yaml";
import { type Clock, MINUTE_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { ReadObject } from "../util/read-object.ts";
import { type ClusterAccess, connectionOf } from "./connect.ts";
import type { FleetCluster } from "./fleet.ts";

/** How often objects are read again, so that a rotated token or certificate is used. */
const GOOD_MS = 5 * MINUTE_MS;

export interface RemoteAccessOptions {
  readonly cluster: FleetCluster;
  readonly bucket: string;
  /** The key of fleet.yaml; relative paths in it are keys beside it. */
  readonly fleetKey: string;
  readonly read: ReadObject;
  readonly clock: Clock;
}

/**
 * How to reach a cluster whose files are objects of a bucket: their content becomes part of the kubeconfig. An absolute
 * path is a file in the function's package.
 */
export async function remoteAccess(options: RemoteAccessOptions): Promise<ClusterAccess> {
  const { kubeconfig, server } = options.cluster.connect;
  if (kubeconfig && !posix.isAbsolute(kubeconfig.path)) {
    const text = await object(options, kubeconfig.path);
    const { context } = kubeconfig;
    return {
      kubeConfig: { text },
      ...(context === undefined ? {} : { context }),
      expiresAt: options.clock() + GOOD_MS,
    };
  }
  if (!server) return connectionOf(options.cluster, "/");
  return { kubeConfig: { text: await inlined(options, server) }, expiresAt: options.clock() + GOOD_MS };
}

async function inlined(
  options: RemoteAccessOptions,
  server: NonNullable<FleetCluster["connect"]["server"]>,
): Promise<string> {
  const at = async (path: string | undefined, file: string, data: string, encode: (text: string) => string) => {
    if (path === undefined) return {};
    return posix.isAbsolute(path) ? { [file]: path } : { [data]: encode(await object(options, path)) };
  };
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  const cluster = {
    server: server.url,
    ...(await at(server.caFile, "certificate-authority", "certificate-authority-data", base64)),
    ...(server.caData === undefined ? {} : { "certificate-authority-data": server.caData }),
    ...(server.serverName === undefined ? {} : { "tls-server-name": server.serverName }),
    ...(server.insecure ? { "insecure-skip-tls-verify": true } : {}),
  };
  const user = {
    ...(await at(server.tokenFile, "tokenFile", "token", (text) => text.trim())),
    ...(await at(server.clientCertFile, "client-certificate", "client-certificate-data", base64)),
    ...(await at(server.clientKeyFile, "client-key", "client-key-data", base64)),
  };
  const name = "cluster";
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  });
}

async function object({ cluster, ...place }: RemoteAccessOptions, path: string): Promise<string> {
  const { found, name } = await objectAt(place, path);
  if (found !== undefined) return found;
  throw new SyncError(
    "REFERENCE_INVALID",
    `cluster ${cluster.name}: there is no object ${name}: upload the file that its connect in ${place.fleetKey} names`,
  );
}

type Place = Pick<RemoteAccessOptions, "bucket" | "fleetKey" | "read">;

/** The content of a file that fleet.yaml names: an object beside it, or with an absolute path a file of the package. */
export async function remoteText(place: Place, path: string): Promise<string> {
  if (posix.isAbsolute(path)) return readFile(path, "utf8");
  const { found, name } = await objectAt(place, path);
  if (found !== undefined) return found;
  throw new SyncError("REFERENCE_INVALID", `there is no object ${name}: upload the file that ${place.fleetKey} names`);
}

async function objectAt({ bucket, fleetKey, read }: Place, path: string) {
  const key = posix.normalize(posix.join(posix.dirname(fleetKey), path));
  const found = key.startsWith("..") ? undefined : await read(key);
  const text = found === undefined || found === "unchanged" ? undefined : found.text;
  return { found: text, name: `s3://${bucket}/${key}` };
}
