import { pushAnnotations } from "../lib/declarations/push/annotations.ts";
import { partsOf } from "../lib/keys.ts";
import type { Row } from "../lib/ports/rows.ts";
import { pushingKind, VAULT_PUSH_SECRET } from "../lib/resource-kinds.ts";
import { canonical } from "../lib/util/canonical.ts";
import type { JsonObject } from "../lib/util/json.ts";
import { printable } from "../lib/util/printable.ts";

/** The maximum length of one field in a line. */
const MAX_SHOWN = 512;

/** What an annotated object or a VaultPushSecret declares, and the paths in Vault that belong to it. Never values. */
export interface PushView {
  /** None of a VaultPushSecret. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Of a VaultPushSecret: its spec. */
  readonly spec?: JsonObject;
  readonly paths: readonly PushedView[];
}

export interface PushedView {
  readonly path: string;
  readonly engine: string;
  /** kv-v2: the version that keyferry wrote. */
  readonly version?: number;
  /** Whether it was written; otherwise it is only claimed. */
  readonly written: boolean;
}

/** Undefined for resources of keyferry's own. */
export function pushView({ key, declared, state }: Row): PushView | undefined {
  if (pushingKind(partsOf(key).kind) === undefined) return undefined;
  const paths = (state.pushed ?? []).map(({ mount, path, engine, version, digest }) => ({
    ...{ path: `${mount}/${path}`, engine, written: digest !== undefined },
    ...(version === undefined ? {} : { version }),
  }));
  if (partsOf(key).kind === VAULT_PUSH_SECRET.kind) return { annotations: {}, spec: declared.spec, paths };
  return { annotations: pushAnnotations(declared.annotations), paths };
}

/** The lines of `keyferry explain`. */
export function pushLines({ annotations, spec = {}, paths }: PushView): readonly string[] {
  return [
    ...Object.entries(spec).map(([name, value]) => `${name}: ${printable(canonical(value), MAX_SHOWN)}`),
    ...Object.entries(annotations).map(([name, text]) => `${name}: ${text}`),
    ...paths.map(({ path, version, written }) => {
      const state = version === undefined ? (written ? "written" : "not written yet") : `version ${version}`;
      return `pushes to ${path}, ${state}`;
    }),
  ];
}
