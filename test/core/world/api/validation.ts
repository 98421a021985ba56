import { isDeepStrictEqual } from "node:util";
import { isObject, type Json } from "./fields.ts";
import type { ServedKind } from "./kinds.ts";
import { type Cause, invalid, tooLarge } from "./refusals.ts";

const MAX_SECRET_BYTES = 1_048_576;
const MAX_REQUEST_BYTES = 3 * 1_024 * 1_024;
const DATA_KEY = /^[-._a-zA-Z0-9]+$/;
const LABEL_VALUE = /^([a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)?$/;

/** What a type of Secret needs among its data. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
  "kubernetes.io/dockercfg": [".dockercfg"],
};

export function mustBeSmall(body: unknown): void {
  if (JSON.stringify(body ?? {}).length > MAX_REQUEST_BYTES) throw tooLarge();
}

/** Throws what the API server would refuse this object with. */
export function mustBeValid(kind: ServedKind, object: Json, before: Json | undefined): void {
  const causes = [...labelCauses(object), ...(kind.resource === "secrets" ? secretCauses(object, before) : [])];
  if (causes.length > 0) throw invalid(kind.kind, causes);
}

/** Throws what the schema refuses a status with. */
export function statusMustBeValid(kind: ServedKind, status: Json): void {
  const missing = kind.requiredStatus.filter((name) => status[name] === undefined);
  if (missing.length === 0) return;
  throw invalid(
    kind.kind,
    missing.map((name) => ({ field: `status.${name}`, reason: "FieldValueRequired" })),
  );
}

function labelCauses({ metadata }: Json): readonly Cause[] {
  const labels = isObject(metadata) && isObject(metadata.labels) ? metadata.labels : {};
  const isWrong = Object.values(labels).some((value) => typeof value !== "string" || !LABEL_VALUE.test(value));
  return isWrong ? [{ field: "metadata.labels", reason: "FieldValueInvalid", message: JSON.stringify(labels) }] : [];
}

function secretCauses(secret: Json, before: Json | undefined): readonly Cause[] {
  const data = isObject(secret.data) ? secret.data : {};
  const type = typeOf(secret);
  const causes: Cause[] = [];
  for (const key of Object.keys(data)) {
    if (!DATA_KEY.test(key)) causes.push({ field: `data[${key}]`, reason: "FieldValueInvalid" });
  }
  const bytes = Object.values(data).reduce<number>((sum, value) => sum + bytesOf(value).byteLength, 0);
  if (bytes > MAX_SECRET_BYTES) causes.push({ field: "data", reason: "FieldValueTooLong" });
  for (const key of NEEDED[type] ?? []) {
    if (data[key] === undefined) causes.push({ field: `data[${key}]`, reason: "FieldValueRequired" });
  }
  if (type === "kubernetes.io/dockerconfigjson" && !isJson(bytesOf(data[".dockerconfigjson"]).toString())) {
    causes.push({ field: "data[.dockerconfigjson]", reason: "FieldValueInvalid", message: String(data) });
  }
  if (type === "kubernetes.io/basic-auth" && data.username === undefined && data.password === undefined) {
    causes.push({ field: "data[username]", reason: "FieldValueRequired" });
  }
  return [...causes, ...(before ? changeCauses(secret, before) : [])];
}

function changeCauses(secret: Json, before: Json): readonly Cause[] {
  const causes: Cause[] = [];
  if (typeOf(secret) !== typeOf(before)) causes.push({ field: "type", reason: "FieldValueInvalid" });
  if (before.immutable === true) {
    if (secret.immutable !== true) causes.push({ field: "immutable", reason: "FieldValueForbidden" });
    if (!isDeepStrictEqual(secret.data ?? {}, before.data ?? {})) {
      causes.push({ field: "data", reason: "FieldValueForbidden" });
    }
  }
  return causes;
}

function typeOf({ type }: Json): string {
  return typeof type === "string" ? type : "Opaque";
}

function bytesOf(value: unknown): Buffer {
  return Buffer.from(typeof value === "string" ? value : "", "base64");
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
