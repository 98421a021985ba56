import type { VaultTarget } from "../ports/vault.ts";

/** Targets with the same key may share connections: they trust the same servers in the same way. */
export function connectionKey({ address, tlsServerName, skipTlsVerify, caPem }: VaultTarget): string {
  return JSON.stringify([address, tlsServerName, skipTlsVerify, caPem]);
}
