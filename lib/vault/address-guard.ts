import { lookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import type { buildConnector } from "undici";
import { SyncError } from "../errors.ts";
import type { VaultReach } from "../vault-reach.ts";
import { boundedLookup, type ResolveAll } from "./bounded-lookup.ts";
import { isUnicastHost } from "./ip-rule.ts";

/** Marks a connection that was never opened. */
class AddressNotAllowed extends Error {}

/** Whether this error, or its cause, comes from the guard. */
export function isNotAllowed(error: unknown): boolean {
  return error instanceof AddressNotAllowed || (error instanceof Error && isNotAllowed(error.cause));
}

/**
 * Resolves a name as the system does, and fails when one of its addresses is refused. The connection uses this very
 * answer: a name that resolves to another address the next time gains nothing.
 */
export function guardedBy(resolve: ResolveAll): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, "");
      const [first] = addresses;
      if (first === undefined || !addresses.every(({ address }) => isUnicastHost(address))) {
        return callback(new AddressNotAllowed(), "");
      }
      if (options.all === true) return callback(null, addresses);
      callback(null, first.address, first.family);
    });
  };
}

export const guardedLookup = guardedBy(boundedLookup(lookup));

/** Checks a host that is an IP address, since those are never looked up. Its error satisfies `isNotAllowed`. */
export function mustBeUnicastHost(hostname: string): void {
  const plain = hostname.replace(/^\[(.*)\]$/, "$1");
  if (isIP(plain) !== 0 && !isUnicastHost(plain)) throw new AddressNotAllowed();
}

/** A connector that never connects to a refused address; the inner one must resolve names by `guardedLookup`. */
export function guarded(connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) => {
    try {
      mustBeUnicastHost(options.hostname);
    } catch (error) {
      return callback(error as Error, null);
    }
    connect(options, callback);
  };
}

const AS_A_VAULT = "under vaults or as the cluster's vault.address";

/** The same text whether something listens there or not, because nothing was connected to. */
export function notAllowed(what: string, { onlyNamed }: VaultReach, named = AS_A_VAULT): SyncError {
  const why = onlyNamed
    ? "fleet.yaml lets this cluster reach only what it names"
    : "the address is, or resolves to, a loopback, link-local, multicast or metadata address, which no resource of a cluster may name";
  const remedy = `use another address, or add this one to fleet.yaml, ${named}`;
  return new SyncError("VAULT_ADDRESS_NOT_ALLOWED", `${what}: ${why}; ${remedy}`, { outcome: "none" });
}
