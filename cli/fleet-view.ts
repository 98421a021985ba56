import type { ObjectAction, PushResult } from "../lib/fleet/push-fleet.ts";
import type { FileWarning } from "./fleet-files.ts";
import { textLines } from "./table.ts";

/** A push for people and scripts. */
export interface PushView extends PushResult {
  readonly location: string;
  readonly dryRun: boolean;
  readonly warnings: readonly FileWarning[];
}

const SIGNS: Readonly<Record<ObjectAction, string>> = {
  create: "+",
  update: "~",
  unchanged: " ",
  remove: "-",
  left: "?",
};

const NOTES: Readonly<Record<ObjectAction, string>> = {
  create: "new",
  update: "changed",
  unchanged: "unchanged",
  remove: "removed: no fleet names it",
  left: "stays: no fleet names it, and keyferry did not upload it",
};

/** A push in the style of a diff. */
export function pushText({ location, dryRun, objects, clusters, warnings }: PushView): string {
  const width = Math.max(...objects.map(({ key }) => key.length));
  const lines = objects.map(({ key, action }) => `${SIGNS[action]} ${key.padEnd(width)}  ${NOTES[action]}`);
  const notes = warnings.map(({ file, message }) => `! ${file}: ${message}`);
  const changes = clusters && [
    ...clusters.added.map((name) => `+ cluster ${name}`),
    ...clusters.changed.map((name) => `~ cluster ${name}: its settings change`),
    ...clusters.left.map((name) => `x cluster ${name}: keyferry forgets its syncs, and its Secrets stay`),
  ];
  const unknown = ["! the fleet in the bucket is not valid, so its clusters can't be compared"];
  return textLines([...lines, ...notes, ...(changes ?? unknown), "", endOf(location, dryRun, objects)]);
}

function endOf(location: string, dryRun: boolean, objects: PushResult["objects"]): string {
  const changed = objects.filter(({ action }) => action !== "unchanged" && action !== "left").length;
  if (changed === 0) return `${location} is up to date`;
  if (dryRun) return `${location}: ${changed} of ${objects.length} objects would change (--dry-run)`;
  return `${location}: ${changed} of ${objects.length} objects changed; the functions use them within a minute`;
}
