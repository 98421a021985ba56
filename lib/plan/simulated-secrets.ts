import type { SecretWrites } from "../destinations/destination.ts";
import { SyncError } from "../errors.ts";
import type { Precondition, SecretApi, SeenSecret, WrittenSecret } from "../ports/secrets.ts";

/** The observed Secrets of one row, and what a run would remove. Writes nothing. */
export interface SimulatedSecrets extends SecretWrites {
  /** Names of Secrets that would be deleted. */
  removed(): readonly string[];
  /** Names of Secrets with other owners, which would only lose our owner reference. */
  left(): readonly string[];
}

/** Simulates the API server's answer to each write, based on the observed Secrets. */
export function simulatedSecrets(real: Pick<SecretApi, "observe" | "ownedNames">): SimulatedSecrets {
  const observed = new Map<string, SeenSecret | undefined>();
  const removed = new Set<string>();
  const left = new Set<string>();
  const mustKeepType = (name: string, type: string, { kind }: Precondition): void => {
    const before = observed.get(name);
    if (kind !== "as-seen" || !before || before.type === type) return;
    throw new SyncError("SECRET_TYPE_DIFFERS", `the type of Secret ${name} can't change`);
  };
  return {
    removed: () => [...removed],
    left: () => [...left],
    ownedNames: real.ownedNames,
    async observe(secret, how, signal) {
      const found = await real.observe(secret, how, signal);
      observed.set(secret.name, found);
      return found;
    },
    async apply({ name }, desired, precondition) {
      mustKeepType(name, desired.type, precondition);
      removed.delete(name);
      return WRITTEN;
    },
    async rehearse({ name }, write) {
      if (write.kind === "apply") mustKeepType(name, write.desired.type, write.precondition);
    },
    dropKeys: async () => WRITTEN,
    replaceData: async () => WRITTEN,
    takeOverFields: async () => WRITTEN,
    standBeside: async () => WRITTEN.resourceVersion,
    async dropOwner({ name }) {
      left.add(name);
    },
    async remove({ name }) {
      removed.add(name);
    },
  };
}

const WRITTEN: WrittenSecret = {
  ...{ uid: "not written", resourceVersion: "0", foreignKeys: [] },
  managed: { fingerprint: "", ours: true, vso: false },
};
