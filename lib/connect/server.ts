import type { ServerWay } from "../fleet/connect-schema.ts";
import type { FleetFiles } from "../ports/fleet-files.ts";
import { goodFor } from "./good-for.ts";
import { kubeconfigText } from "./kubeconfig-text.ts";
import type { Way } from "./way.ts";

/** An API server by its address. Local files are named in the kubeconfig, and fetched ones become part of it. */
export const server: Way<ServerWay> = async (way, { files, clock }) => {
  const cluster = {
    server: way.url,
    ...(await file(files, way.caFile, "certificate-authority", base64)),
    ...(way.caData === undefined ? {} : { "certificate-authority-data": way.caData }),
    ...(way.serverName === undefined ? {} : { "tls-server-name": way.serverName }),
    ...(way.insecure ? { "insecure-skip-tls-verify": true } : {}),
  };
  const user = {
    ...(await token(files, way.tokenFile)),
    ...(await file(files, way.clientCertFile, "client-certificate", base64)),
    ...(await file(files, way.clientKeyFile, "client-key", base64)),
  };
  const isLocal = [way.caFile, way.tokenFile, way.clientCertFile, way.clientKeyFile].every(
    (path) => path === undefined || files.local(path) !== undefined,
  );
  return { kubeConfig: { text: kubeconfigText(cluster, user) }, ...(isLocal ? {} : goodFor(clock)) };
};

async function token(files: FleetFiles, path: string | undefined): Promise<Record<string, string>> {
  if (path === undefined) return {};
  const local = files.local(path);
  return local === undefined ? { token: (await files.text(path)).trim() } : { tokenFile: local };
}

/** `field` with the file's path, or `field`-data with its content. */
export async function file(
  files: FleetFiles,
  path: string | undefined,
  field: string,
  encode: (text: string) => string,
): Promise<Record<string, string>> {
  if (path === undefined) return {};
  const local = files.local(path);
  return local === undefined ? { [`${field}-data`]: encode(await files.text(path)) } : { [field]: local };
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
