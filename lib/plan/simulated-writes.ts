import type { VaultWrites } from "../ports/vault-writes.ts";

/** The real paths of a Vault, where writes are only answered as Vault would. */
export function simulatedWrites(real: Pick<VaultWrites, "mountOf" | "read" | "mayDescribe">): VaultWrites {
  return {
    mountOf: (who, path, signal) => real.mountOf(who, path, signal),
    isStill: async () => true,
    read: (who, at, signal) => real.read(who, at, signal),
    mayDescribe: (who, at, signal) => real.mayDescribe(who, at, signal),
    put: async (_who, _at, _fields, cas) => ({ kind: "written", version: cas + 1 }),
    patch: async (_who, _at, _fields, cas) => ({ kind: "written", version: cas + 1 }),
    remove: async () => undefined,
    removeAll: async () => undefined,
    describe: async () => undefined,
  };
}
