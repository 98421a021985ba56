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
  readonly terminationGracePeriodSeconds?: number;
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

/** More items than any real pod has; a review must take little time. */
const MAX_ITEMS = 10_000;

/** The items that may still be read. */
interface Budget {
  left: number;
}

function list(value: unknown, at: string, budget: Budget): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Malformed(`${at} must be a list`);
  budget.left -= value.length;
  if (budget.left < 0) throw new Malformed(`the pod has more than ${MAX_ITEMS} items in its lists`);
  return value;
}

/** An item of a list, which cannot be missing. */
function item(value: unknown, at: string): Fields {
  if (value === null) throw new Malformed(`${at} must be an object`);
  return fields(value, at);
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

function texts(value: unknown, at: string, budget: Budget): readonly string[] {
  return list(value, at, budget).map((one) => text(one, at));
}

function uid(securityContext: unknown, at: string): { readonly runAsUser?: number } {
  return wholeNumber(fields(securityContext, `${at}.securityContext`), "runAsUser", `${at}.securityContext`);
}

function wholeNumber<T extends string>(found: Fields, name: T, at: string): { readonly [field in T]?: number } {
  const value = own(found, name);
  if (value === undefined || value === null) return {};
  if (!Number.isSafeInteger(value)) throw new Malformed(`${at}.${name} must be a whole number`);
  return { [name]: value } as { [field in T]: number };
}

/** Its other fields are kept, because the agent gets copies of mounts. */
function mount(value: unknown, at: string): VolumeMount {
  const found = item(value, at);
  if (Object.values(found).some((field) => typeof field === "object" && field !== null)) {
    throw new Malformed(`${at} must have simple fields`);
  }
  return {
    ...found,
    name: text(own(found, "name"), `${at}.name`),
    mountPath: text(own(found, "mountPath"), `${at}.mountPath`),
  };
}

/** How deep the source of a variable nests, generously. */
const MAX_DEPTH = 4;

function isShallow(value: unknown, depth = 0): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth < MAX_DEPTH && Object.values(value).every((one) => isShallow(one, depth + 1));
}

function envVar(value: unknown, at: string): EnvVar {
  const found = item(value, at);
  const name = text(own(found, "name"), `${at}.name`);
  const from = own(found, "valueFrom");
  if (from !== undefined && from !== null) {
    if (!isShallow(fields(from, `${at}.valueFrom`))) throw new Malformed(`${at}.valueFrom nests too deep`);
    return { name, valueFrom: from as JsonObject };
  }
  return { name, value: text(own(found, "value"), `${at}.value`) };
}

function container(value: unknown, at: string, budget: Budget): PodContainer {
  const found = item(value, at);
  return {
    name: text(own(found, "name"), `${at}.name`),
    mounts: list(own(found, "volumeMounts"), `${at}.volumeMounts`, budget).map((one) =>
      mount(one, `${at}.volumeMounts[]`),
    ),
    env: list(own(found, "env"), `${at}.env`, budget).map((one) => envVar(one, `${at}.env[]`)),
    command: texts(own(found, "command"), `${at}.command`, budget),
    args: texts(own(found, "args"), `${at}.args`, budget),
    ...uid(own(found, "securityContext"), at),
  };
}

function tokenPath(volume: Fields, at: string, budget: Budget): string | undefined {
  const projected = fields(own(volume, "projected"), `${at}.projected`);
  for (const source of list(own(projected, "sources"), `${at}.projected.sources`, budget)) {
    const token = own(item(source, `${at}.projected.sources[]`), "serviceAccountToken");
    if (token !== undefined && token !== null) {
      return text(own(fields(token, `${at}.projected`), "path"), `${at}.projected.sources[].serviceAccountToken.path`);
    }
  }
  return undefined;
}

function volume(value: unknown, at: string, budget: Budget): PodVolume {
  const found = item(value, at);
  const path = tokenPath(found, at, budget);
  return { name: text(own(found, "name"), `${at}.name`), ...(path === undefined ? {} : { tokenPath: path }) };
}

/** Of a pod. Kubernetes bounds their length alone. */
const MAX_ANNOTATIONS = 5_000;

function annotationsOf(metadata: Fields): ReadonlyMap<string, string> {
  const found = fields(own(metadata, "annotations"), "metadata.annotations");
  if (Object.keys(found).length > MAX_ANNOTATIONS) {
    throw new Malformed(`metadata.annotations has more than ${MAX_ANNOTATIONS} annotations`);
  }
  const entries = Object.entries(found);
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
  const budget = { left: MAX_ITEMS };
  const volumes = list(own(spec, "volumes"), "spec.volumes", budget);
  const containers = (field: "containers" | "initContainers") =>
    list(own(spec, field), `spec.${field}`, budget).map((one) => container(one, `spec.${field}[]`, budget));
  const share = own(spec, "shareProcessNamespace");
  return {
    annotations,
    phase: text(own(fields(own(found, "status"), "status"), "phase"), "status.phase"),
    hasVolumes: volumes.length > 0,
    volumes: volumes.map((one) => volume(one, "spec.volumes[]", budget)),
    containers: containers("containers"),
    initContainers: containers("initContainers"),
    ...(typeof share === "boolean" ? { shareProcessNamespace: share } : {}),
    ...wholeNumber(spec, "terminationGracePeriodSeconds", "spec"),
    ...uid(own(spec, "securityContext"), "spec"),
  };
}
