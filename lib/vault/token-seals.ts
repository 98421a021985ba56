import type { SyncKey } from "../keys.ts";
import type { TokenSeals } from "../ports/vault-issues.ts";
import { SecretValue } from "../secret-value.ts";
import { lazySealer, type SealingOptions } from "./lazy-sealer.ts";

/** Seals the tokens of issues with the key of stored tokens, each bound to its installation, sync and issue. */
export function tokenSeals(options: SealingOptions): TokenSeals {
  const ready = lazySealer(options);
  const contextOf = (key: SyncKey, serial: string): string =>
    JSON.stringify(["issue-token", options.installation, key, serial]);
  return {
    seal: async (token, key, serial) => (await ready()).seal(token.reveal(), contextOf(key, serial)).text,
    async open(sealed, key, serial) {
      const text = (await ready()).open(sealed, contextOf(key, serial));
      return text && SecretValue.of(text);
    },
    sealedBy: async (sealed, key, serial) => (await ready()).sealedBy(sealed, contextOf(key, serial)),
    hasFormer: async () => (await ready()).hasFormer,
  };
}
