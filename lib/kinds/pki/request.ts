import { HOUR_MS, SECOND_MS } from "../../clock.ts";
import { trimSlashes } from "../../declarations/identity.ts";
import type { VaultPkiSecretSpec } from "../../declarations/vault-pki-secret.ts";
import { parseDuration } from "../../duration.ts";
import { SyncError } from "../../errors.ts";
import type { VaultRequest } from "../../ports/vault-issues.ts";
import type { JsonObject } from "../../util/json.ts";

const DAY_MS = 24 * HOUR_MS;

/** A TTL in ms: a duration that may also be in days. Undefined when it is missing or zero. */
export function ttlMs(text = ""): number | undefined {
  const ms = text.endsWith("d") ? Number(text.slice(0, -1)) * DAY_MS : parseDuration(text);
  return ms === undefined || Number.isNaN(ms) || ms <= 0 ? undefined : ms;
}

/** The request for a certificate. Throws SPEC_INVALID for what Vault would refuse, or what could never be of use. */
export function requestOf(spec: VaultPkiSecretSpec): VaultRequest {
  mustBeConsistent(spec);
  const namespace = trimSlashes(spec.namespace ?? "");
  const issuer = trimSlashes(spec.issuerRef ?? "");
  const role = trimSlashes(spec.role);
  return {
    ...(namespace === "" ? {} : { namespace }),
    method: "POST",
    mount: trimSlashes(spec.mount),
    path: issuer === "" ? `issue/${role}` : `issuer/${issuer}/issue/${role}`,
    body: bodyOf(spec),
  };
}

/** VSO's names and values. It sends empty ones too, except those that Vault would take for a choice. */
function bodyOf(spec: VaultPkiSecretSpec): JsonObject {
  return {
    common_name: spec.commonName ?? "",
    alt_names: joined(spec.altNames),
    ip_sans: joined(spec.ipSans),
    uri_sans: joined(spec.uriSans),
    other_sans: joined(spec.otherSans),
    user_ids: joined(spec.userIDs),
    ttl: ttlForVault(spec.ttl),
    exclude_cn_from_sans: spec.excludeCNFromSans ?? false,
    remove_roots_from_chain: true,
    // OpenBao refuses an empty time. VSO sends it.
    ...(spec.notAfter ? { not_after: spec.notAfter } : {}),
    ...(spec.format ? { format: spec.format } : {}),
    ...(spec.privateKeyFormat ? { private_key_format: spec.privateKeyFormat } : {}),
  };
}

/**
 * The names of a list. It is sent joined by commas, so a comma in a name separates as well. Without spaces around each:
 * Vault drops them, and OpenBao would leave such a name out.
 */
export function namesOf(list: readonly string[] = []): readonly string[] {
  const parts = list.join(",").split(",");
  return [...new Set(parts.map((part) => part.trim()).filter((part) => part !== ""))];
}

function joined(list: readonly string[] | undefined): string {
  return namesOf(list).join(",");
}

/** Vault takes `30d`, but refuses `1.5d`, and takes `0.5s` for the role's default. */
function ttlForVault(text = ""): string {
  const ms = ttlMs(text);
  return text.includes(".") && ms !== undefined ? `${Math.ceil(ms / SECOND_MS)}s` : text;
}

function mustBeConsistent({ ttl, notAfter, expiryOffset }: VaultPkiSecretSpec): void {
  if (ttl && notAfter) {
    throw new SyncError("SPEC_INVALID", "spec.ttl and spec.notAfter exclude each other in Vault: remove one of them");
  }
  const lifetimeMs = ttlMs(ttl);
  const offsetMs = parseDuration(expiryOffset);
  if (lifetimeMs === undefined || offsetMs === undefined || offsetMs < lifetimeMs) return;
  const message =
    `spec.expiryOffset (${expiryOffset}) is not shorter than spec.ttl (${ttl}), so each certificate would be replaced ` +
    "at once: lower expiryOffset, or raise ttl";
  throw new SyncError("SPEC_INVALID", message);
}
