import { pushAnnotations } from "../lib/declarations/push/annotations.ts";
import { partsOf } from "../lib/keys.ts";
import type { Row } from "../lib/ports/rows.ts";
import { annotatedKind } from "../lib/resource-kinds.ts";

/** What an annotated object declares, and the paths in Vault that belong to it. Never values. */
export interface PushView {
  readonly annotations: Readonly<Record<string, string>>;
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
  if (annotatedKind(partsOf(key).kind) === undefined) return undefined;
  const paths = (state.pushed ?? []).map(({ mount, path, engine, version, digest }) => ({
    ...{ path: `${mount}/${path}`, engine, written: digest !== undefined },
    ...(version === undefined ? {} : { version }),
  }));
  return { annotations: pushAnnotations(declared.annotations), paths };
}

/** The lines of `keyferry explain`. */
export function pushLines({ annotations, paths }: PushView): readonly string[] {
  return [
    ...Object.entries(annotations).map(([name, text]) => `${name}: ${text}`),
    ...paths.map(({ path, version, written }) => {
      const state = version === undefined ? (written ? "written" : "not written yet") : `version ${version}`;
      return `pushes to ${path}, ${state}`;
    }),
  ];
}
