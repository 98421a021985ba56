import { fingerprint } from "../digest.ts";
import type { VaultIdentity, VaultRead } from "./vault.ts";
import type { VaultRequest } from "./vault-issues.ts";

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

/** The same for requests of one identity that can share a failure. */
export function requestId(identity: VaultIdentity, { namespace, method, mount, path }: VaultRequest): string {
  return fingerprint(identity.id, namespace ?? "", method, mount, path);
}

/** A login with another credential is a different one, even for the same identity. */
export function loginId({ id, method: { credential } }: VaultIdentity): string {
  return credential.kind === "secret" ? `${id} ${credential.version ?? ""}` : id;
}
