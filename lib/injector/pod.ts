import type { Json, JsonObject } from "../util/json.ts";

/** The parts of a Pod that the injector reads, checked where they enter. */

export interface Pod {
  readonly annotations: ReadonlyMap<string, string>;
  readonly phase: string;
  readonly hasVolumes: boolean;
  readonly volumes: readonly PodVolume[];
  readonly containers: readonly PodContainer[];
  readonly initContainers: readonly PodContainer[];
  readonly shareProcessNamespace?: boolean;
  readonly runAsUser?: number;
}

export interface PodContainer {
  readonly name: string;
  readonly mounts: readonly VolumeMount[];
  readonly env: readonly EnvVar[];
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly runAsUser?: number;
}

export interface PodVolume {
  readonly name: string;
  /** Where a projected volume has a service account's token. */
  readonly tokenPath?: string;
}

export interface VolumeMount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
  readonly [field: string]: Json | undefined;
}

export type EnvVar =
  | { readonly name: string; readonly value: string }
  | { readonly name: string; readonly valueFrom: JsonObject };

/** An operation of the JSON Patch that changes a Pod. */
export interface PodOperation {
  readonly op: "add" | "replace";
  readonly path: string;
  readonly value: Json;
}

/** A value that has not the type of Kubernetes' API. */
export class Malformed extends Error {}

type Fields = Readonly<Record<string, unknown>>;

/** Fields of an object; null and missing are an object without fields. */
export function fields(value: unknown, at: string): Fields {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) throw new Malformed(`${at} must be an object`);
  return value as Fields;
}

function list(value: unknown, at: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Malformed(`${at} must be a list`);
  return value;
}

export function text(value: unknown, at: string): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw new Malformed(`${at} must be a string`);
  return value;
}

/** An own field; `__proto__` and what objects inherit are none. */
export function own(object: Fields, field: string): unknown {
  return Object.hasOwn(object, field) ? object[field] : undefined;
}

function texts(value: unknown, at: string): readonly string[] {
  return list(value, at).map((one) => text(one, at));
}

function uid(securityContext: unknown, at: string): { readonly runAsUser?: number } {
  const value = own(fields(securityContext, `${at}.securityContext`), "runAsUser");
  if (value === undefined || value === null) return {};
  if (!Number.isSafeInteger(value)) throw new Malformed(`${at}.securityContext.runAsUser must be a whole number`);
  return { runAsUser: value as number };
}

/** Its other fields are kept, because the agent gets copies of mounts. */
function mount(value: unknown, at: string): VolumeMount {
  const found = fields(value, at);
  if (Object.values(found).some((field) => typeof field === "object" && field !== null)) {
    throw new Malformed(`${at} must have simple fields`);
  }
  return { ...found, name: text(own(found, "name"), at), mountPath: text(own(found, "mountPath"), at) };
}

/** How deep the source of a variable nests, generously. */
const MAX_DEPTH = 4;

function isShallow(value: unknown, depth = 0): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth < MAX_DEPTH && Object.values(value).every((one) => isShallow(one, depth + 1));
}

function envVar(value: unknown, at: string): EnvVar {
  const found = fields(value, at);
  const name = text(own(found, "name"), `${at}.name`);
  const from = own(found, "valueFrom");
  if (from !== undefined && from !== null) {
    if (!isShallow(fields(from, `${at}.valueFrom`))) throw new Malformed(`${at}.valueFrom nests too deep`);
    return { name, valueFrom: from as JsonObject };
  }
  return { name, value: text(own(found, "value"), `${at}.value`) };
}

function container(value: unknown, at: string): PodContainer {
  const found = fields(value, at);
  return {
    name: text(own(found, "name"), `${at}.name`),
    mounts: list(own(found, "volumeMounts"), `${at}.volumeMounts`).map((one) => mount(one, `${at}.volumeMounts[]`)),
    env: list(own(found, "env"), `${at}.env`).map((one) => envVar(one, `${at}.env[]`)),
    command: texts(own(found, "command"), `${at}.command`),
    args: texts(own(found, "args"), `${at}.args`),
    ...uid(own(found, "securityContext"), at),
  };
}

function tokenPath(volume: Fields, at: string): string | undefined {
  const projected = fields(own(volume, "projected"), `${at}.projected`);
  for (const source of list(own(projected, "sources"), `${at}.projected.sources`)) {
    const token = own(fields(source, `${at}.projected.sources[]`), "serviceAccountToken");
    if (token !== undefined && token !== null) {
      return text(own(fields(token, `${at}.projected`), "path"), `${at}.projected.sources[].serviceAccountToken.path`);
    }
  }
  return undefined;
}

function volume(value: unknown, at: string): PodVolume {
  const found = fields(value, at);
  const path = tokenPath(found, at);
  return { name: text(own(found, "name"), `${at}.name`), ...(path === undefined ? {} : { tokenPath: path }) };
}

function annotationsOf(metadata: Fields): ReadonlyMap<string, string> {
  const entries = Object.entries(fields(own(metadata, "annotations"), "metadata.annotations"));
  return new Map(entries.map(([key, value]) => [key, text(value, "each of metadata.annotations")]));
}

/** The annotations alone: most reviews end with them. */
export function readAnnotationsOf(value: unknown): ReadonlyMap<string, string> {
  if (typeof value !== "object" || value === null) throw new Malformed("request.object must be a Pod");
  return annotationsOf(fields(own(fields(value, "request.object"), "metadata"), "metadata"));
}

/** The Pod of a review. Throws Malformed, with the place. */
export function readPod(value: unknown): Pod {
  const annotations = readAnnotationsOf(value);
  const found = fields(value, "request.object");
  const spec = fields(own(found, "spec"), "spec");
  const volumes = list(own(spec, "volumes"), "spec.volumes");
  const share = own(spec, "shareProcessNamespace");
  return {
    annotations,
    phase: text(own(fields(own(found, "status"), "status"), "phase"), "status.phase"),
    hasVolumes: volumes.length > 0,
    volumes: volumes.map((one) => volume(one, "spec.volumes[]")),
    containers: list(own(spec, "containers"), "spec.containers").map((one) => container(one, "spec.containers[]")),
    initContainers: list(own(spec, "initContainers"), "spec.initContainers").map((one) =>
      container(one, "spec.initContainers[]"),
    ),
    ...(typeof share === "boolean" ? { shareProcessNamespace: share } : {}),
    ...uid(own(spec, "securityContext"), "spec"),
  };
}
