import type { VaultKubernetesWay } from "../fleet/vault-connect-schema.ts";
import { goodFor } from "./good-for.ts";
import { kubeconfigText } from "./kubeconfig-text.ts";
import { file } from "./server.ts";
import { vaultOf } from "./vault-of.ts";
import type { Way } from "./way.ts";

/** An API server by its address, with a token that Vault's Kubernetes secrets engine mints. */
export const vaultKubernetes: Way<VaultKubernetesWay> = async (way, deps, access) => {
  const vault = await vaultOf(deps);
  const { url, caFile, caData, serverName } = way;
  const cluster = {
    server: url,
    ...(await file(deps.files, caFile, "certificate-authority", (text) => Buffer.from(text).toString("base64"))),
    ...(caData === undefined ? {} : { "certificate-authority-data": caData }),
    ...(serverName === undefined ? {} : { "tls-server-name": serverName }),
  };
  const { token, expiresAt } = await vault.token(access, way);
  const isFetched = caFile !== undefined && deps.files.local(caFile) === undefined;
  return {
    kubeConfig: { text: kubeconfigText(cluster, { token: token.reveal().toString("utf8") }) },
    expiresAt: isFetched ? Math.min(expiresAt, goodFor(deps.clock).expiresAt) : expiresAt,
  };
};
