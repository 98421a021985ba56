import { fingerprint } from "../digest.ts";
import type { VaultIdentity, VaultRead } from "./vault.ts";

/** The same for reads of one batch that can share an answer. */
export function readId(read: VaultRead): string {
  return fingerprint(
    read.identity.id,
    read.namespace ?? "",
    read.engine,
    read.mount,
    read.path,
    String(read.version),
    String(read.followDeleted ?? false),
  );
}

/** A login with another credential is a different one, even for the same identity. */
export function loginId({ id, method: { credential } }: VaultIdentity): string {
  return credential.kind === "secret" ? `${id} ${credential.version ?? ""}` : id;
}
