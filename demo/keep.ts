import { delimiter } from "node:path";
import type { Keyferry } from "./keyferry.ts";
import type { World } from "./world.ts";

/** How to look at what keeps running. The only place that shows a token: the root token of a Vault that is gone with the demo. */
export function keepHints({ vault, clusters, fleetPath, dataDir }: World, { url }: Keyferry): string {
  const [first] = clusters;
  const kubeconfig = clusters.map((cluster) => cluster.kubeconfigPath).join(delimiter);
  return `Everything keeps running until Ctrl-C. In another terminal:

  export KUBECONFIG=${kubeconfig}
  kubectl config get-contexts
  kubectl --context ${first?.name} get vaultstaticsecret -A
  kubectl --context ${first?.name} -n shop describe vaultstaticsecret database
  kubectl --context ${first?.name} -n shop delete secret database        # and see it come back

  export BAO_ADDR=${vault.address} BAO_TOKEN=${vault.token}
  curl -s -H "X-Vault-Token: $BAO_TOKEN" -d '{"data": {"password": "another"}}' $BAO_ADDR/v1/kv/data/shop/database

  node bin/keyferry.js status --fleet ${fleetPath} --data-dir ${dataDir}
  curl -s ${url}/metrics | grep ^keyferry_

`;
}
