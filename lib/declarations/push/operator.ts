import { fingerprint } from "../../digest.ts";
import { asObject } from "../../util/canonical.ts";
import type { Json, JsonObject } from "../../util/json.ts";
import { PUSH_VERSIONS } from "./annotations.ts";

/** What a row knows of Vault Sync Operator's work on its object. */
export interface OperatorSeen {
  /** The fingerprint of `secret-versions` when the row pushed; empty: it was removed. */
  readonly versions: string;
  /** It was written again after that: the hash of the declaration that is not pushed any more. */
  readonly atWork?: string;
}

/** Of the annotations of an object; empty: the operator has not written any. */
export function writtenVersions({ [PUSH_VERSIONS]: versions }: Readonly<Record<string, string>>): string {
  return versions === undefined ? "" : fingerprint(versions);
}

/** The operator's part of a row's `own`. */
export function operatorIn(own: Json | undefined): OperatorSeen | undefined {
  const { versions, atWork } = asObject(asObject(own)?.operator) ?? {};
  if (typeof versions !== "string") return undefined;
  return typeof atWork === "string" ? { versions, atWork } : { versions };
}

/** `own` with that part. */
export function withOperator(own: Json | undefined, operator: OperatorSeen): JsonObject {
  return { ...asObject(own), operator: { ...operator } };
}
