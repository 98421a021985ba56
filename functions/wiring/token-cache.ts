import { randomBytes } from "node:crypto";
import type { TokenCacheOptions } from "../../lib/vault/token-cache.ts";
import type { Base } from "./base.ts";
import { REQUESTS } from "./requests.ts";

/**
 * Tokens of syncs and clusters, for all processes. AWS ends a process without notice, so tokens are not revoked then:
 * other processes use them.
 */
export function tokenCacheOf({ config, leases }: Pick<Base, "config" | "leases">): TokenCacheOptions {
  return {
    store: leases.tokens,
    async keys() {
      // Loaded for the first token: most fleets have none of a cluster.
      const [{ SSMClient }, { sharedSealingKeys }] = await Promise.all([
        import("@aws-sdk/client-ssm"),
        import("../../lib/aws/shared-key.ts"),
      ]);
      const client = new SSMClient({ requestHandler: REQUESTS });
      return sharedSealingKeys({ client, ...config.tokenKey, randomBytes });
    },
    installation: config.installation,
    randomBytes,
  };
}
