import type { VaultEvents } from "../ports/vault-events.ts";
import type { InletPlace } from "./inlet-envelopes.ts";

/** A Vault of fleet.yaml, with what it has of inlets. */
export interface VaultWithInlets {
  readonly name: string;
  readonly events?: VaultEvents;
}

/** The Vault to which an inlet belongs. Undefined: fleet.yaml names this inlet nowhere. */
export function vaultAt(vaults: readonly VaultWithInlets[], place: InletPlace): VaultWithInlets | undefined {
  return vaults.find((vault) => vault.events !== undefined && has(vault.name, vault.events, place));
}

function has(name: string, events: VaultEvents, place: InletPlace): boolean {
  switch (place.by) {
    case "logGroup":
      return events.cloudwatchLogs?.logGroup === place.logGroup;
    case "source":
      return events.eventBridge?.source === place.source;
    case "object":
      return events.s3?.bucket === place.bucket && place.key.startsWith(events.s3.prefix);
    case "path":
      return events.post !== undefined && place.path === `/${name}`;
  }
}

const NAMES = { logGroup: "cloudwatchLogs", source: "eventBridge", object: "s3", path: "post" } as const;

/** The inlet as fleet.yaml calls it. */
export function inletName({ by }: InletPlace): string {
  return NAMES[by];
}

/** For the log: what to name in fleet.yaml, without the key of an object. */
export function placeText(place: InletPlace): string {
  switch (place.by) {
    case "logGroup":
      return `${inletName(place)} ${place.logGroup}`;
    case "source":
      return `${inletName(place)} ${place.source}`;
    case "object":
      return `${inletName(place)} ${place.bucket}`;
    case "path":
      return inletName(place);
  }
}
