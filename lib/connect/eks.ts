import { eksToken } from "../aws/eks-token.ts";
import type { EksWay } from "../fleet/connect-schema.ts";
import { kubeconfigText } from "./kubeconfig-text.ts";
import type { Way } from "./way.ts";

/** An EKS cluster: its place by AWS or fleet.yaml, and a token that is signed here. */
export const eks: Way<EksWay> = async (way, { aws, clock }) => {
  const [{ endpoint, caData }, { token, expiresAt }] = await Promise.all([
    way.endpoint === undefined || way.caData === undefined
      ? aws.eksClusters(way)
      : { endpoint: way.endpoint, caData: way.caData },
    eksToken(way, { clock, keys: aws.keys }),
  ]);
  const cluster = {
    server: endpoint,
    "certificate-authority-data": caData,
    ...(way.proxyUrl === undefined ? {} : { "proxy-url": way.proxyUrl }),
  };
  return { kubeConfig: { text: kubeconfigText(cluster, { token: token.reveal().toString("utf8") }) }, expiresAt };
};
