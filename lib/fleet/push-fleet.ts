import { posix } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { InputError } from "../errors.ts";
import type { FleetObjects } from "../ports/fleet-objects.ts";
import { parallel } from "../util/parallel.ts";
import { objectKey } from "./files.ts";
import { type Fleet, parseFleet } from "./fleet.ts";
import { namedFiles } from "./named-files.ts";

/** What an upload does with an object; `left` was not uploaded by keyferry, so keyferry does not remove it. */
export type ObjectAction = "create" | "update" | "unchanged" | "remove" | "left";

export interface PushedObject {
  readonly key: string;
  readonly action: ObjectAction;
}

export interface PushResult {
  readonly objects: readonly PushedObject[];
  /** How the clusters of the fleet change; undefined when the fleet in the bucket can't be read. */
  readonly clusters?: FleetChanges;
}

export interface FleetChanges {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly left: readonly string[];
}

export interface PushInput {
  /** Where fleet.yaml goes. */
  readonly bucket: string;
  readonly key: string;
  readonly text: string;
  readonly fleet: Fleet;
  /** The content of the files that it names, by their keys in the bucket. */
  readonly files: ReadonlyMap<string, string>;
}

export interface PushOptions {
  readonly dryRun: boolean;
  /** Whether to remove what keyferry uploaded and no fleet names any more. */
  readonly prune: boolean;
}

/**
 * Uploads a fleet with its files. fleet.yaml comes last, so that no version of it names a file that is missing. An
 * unchanged object is not written.
 */
export async function pushFleet(objects: FleetObjects, input: PushInput, options: PushOptions): Promise<PushResult> {
  const { bucket, key, text, fleet } = input;
  const name = `s3://${bucket}/${key}`;
  const current = await contentOf(objects, key);
  const before = current && knownFleet(current.text, name);
  const files = await parallel([...input.files], ([file, content]) => pushFile(objects, file, content, options));
  const own: PushedObject = { key, action: actionOf(current?.text, text) };
  if (own.action !== "unchanged" && !options.dryRun) {
    const isFirst = await objects.put(key, text, current === undefined ? "absent" : { tag: current.tag });
    if (!isFirst) throw new InputError(name, ["another push changed it meanwhile: check its fleet, and push again"]);
  }
  const keep = new Set([key, ...input.files.keys(), ...keysOf(before, key)]);
  const removed = options.prune ? await prune(objects, key, keep, options) : [];
  const changes = before ?? (current === undefined ? { clusters: [] } : undefined);
  return {
    objects: [...files, own, ...removed],
    ...(changes === undefined ? {} : { clusters: changesOf(changes, fleet) }),
  };
}

async function contentOf(objects: FleetObjects, key: string) {
  const found = await objects.read(key);
  return found === "unchanged" ? undefined : found;
}

function knownFleet(text: string, name: string): Fleet | undefined {
  try {
    return parseFleet(text, name);
  } catch {
    // A push replaces a broken fleet.
    return undefined;
  }
}

async function pushFile(
  objects: FleetObjects,
  key: string,
  content: string,
  { dryRun }: PushOptions,
): Promise<PushedObject> {
  const action = actionOf((await contentOf(objects, key))?.text, content);
  if (action !== "unchanged" && !dryRun) await objects.put(key, content);
  return { key, action };
}

function actionOf(before: string | undefined, after: string): ObjectAction {
  if (before === undefined) return "create";
  return before === after ? "unchanged" : "update";
}

/** Files of the fleet that was replaced stay until the next push, because functions may still use that fleet. */
function keysOf(fleet: Fleet | undefined, fleetKey: string): readonly string[] {
  if (fleet === undefined) return [];
  return namedFiles(fleet).flatMap(({ path }) => objectKey(fleetKey, path) ?? []);
}

async function prune(
  objects: FleetObjects,
  fleetKey: string,
  keep: ReadonlySet<string>,
  { dryRun }: PushOptions,
): Promise<readonly PushedObject[]> {
  const folder = posix.dirname(fleetKey);
  const keys = await objects.list(folder === "." ? "" : `${folder}/`);
  return parallel(
    keys.filter((key) => !keep.has(key)),
    async (key): Promise<PushedObject> => {
      if (!(await objects.isOurs(key))) return { key, action: "left" };
      if (!dryRun) await objects.remove(key);
      return { key, action: "remove" };
    },
  );
}

function changesOf(before: Pick<Fleet, "clusters">, after: Fleet): FleetChanges {
  const was = new Map(before.clusters.map((cluster) => [cluster.name, cluster]));
  const is = new Set(after.clusters.map(({ name }) => name));
  const both = after.clusters.filter(({ name }) => was.has(name));
  return {
    added: [...is].filter((name) => !was.has(name)),
    changed: both.filter((cluster) => !isDeepStrictEqual(cluster, was.get(cluster.name))).map(({ name }) => name),
    left: [...was.keys()].filter((name) => !is.has(name)),
  };
}
