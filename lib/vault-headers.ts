/** Headers that a VaultConnection or VaultAuth must not set: keyferry sets them, or they belong to the transport. */

const TRANSPORT = "is not allowed here: it belongs to the transport";

const REFUSED: ReadonlyMap<string, string> = new Map([
  ["x-vault-namespace", "is not allowed here: set spec.namespace of the VaultAuth or of the secret"],
  ["x-vault-token", "is not allowed here: tokens come from logins"],
  ...[
    ...["connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "proxy-connection"],
    ...["te", "trailer", "transfer-encoding", "upgrade"],
  ].map((name) => [name, TRANSPORT] as const),
]);

/** Why this header, in any case, is refused; undefined when it is allowed. */
export function headerRefusal(name: string): string | undefined {
  return REFUSED.get(name.toLowerCase());
}
