import { isLosslessNumber } from "lossless-json";
import { SyncError } from "../errors.ts";
import type { SourceData, VaultRead } from "../ports/vault.ts";
import { isLosslessObject, type LosslessObject, type LosslessValue } from "../util/lossless.ts";
import { vaultUrlPath } from "../vault-path.ts";
import type { VaultAnswer } from "./answer.ts";
import { type Asked, describe } from "./asked.ts";
import type { VaultQuestion } from "./vault-client.ts";
import { answerError, bodyOf, invalidAnswer, objectOf } from "./vault-errors.ts";

/** The request of a read, without its token. Throws SPEC_INVALID for an invalid mount or path. */
export function kvQuestion(read: VaultRead): VaultQuestion {
  const { engine, mount, path, version } = read;
  return {
    purpose: engine,
    method: "GET",
    repeatable: true,
    path: vaultUrlPath(engine === "kv-v2" ? { mount, data: "data", path } : { mount, path }),
    namespace: read.namespace ?? read.identity.namespace,
    ...(engine === "kv-v2" && version > 0 && { query: `?version=${version}` }),
  };
}

/** The data in a read's answer. Throws the error that the answer stands for. */
export function sourceData(asked: Asked, answer: VaultAnswer, followDeleted: boolean): SourceData {
  const deleted = followDeleted ? deletedVersion(asked, answer) : undefined;
  if (deleted !== undefined) return deleted;
  if (answer.status !== 200) throw answerError(asked, answer);
  const { data: response, lease_id: lease } = objectOf(asked, answer);
  if (asked.purpose === "kv-v1" && typeof lease === "string" && lease !== "") throw isIssued(asked);
  if (!isLosslessObject(response)) throw invalidAnswer(asked, "has no data object: is this a kv mount?");
  if (asked.purpose !== "kv-v2") return { response, fields: fieldsOf(response) };
  const { data, metadata } = response;
  // Vault answers 404 for a deleted version; some proxies and older servers answer 200.
  if (data === null) throw answerError(asked, { ...answer, status: 404 });
  if (!isLosslessObject(data) || !isLosslessObject(metadata)) {
    throw invalidAnswer(asked, "has no data.data and data.metadata: if the mount is kv-v1, set type to kv-v1");
  }
  return { response, fields: fieldsOf(data), version: versionOf(asked, metadata) };
}

/** Each refresh would issue another credential, and no one would renew or end any of them. */
function isIssued(asked: Asked): SyncError {
  const message = `${describe(asked)} is no path of a kv engine: each read issues a credential with a lease. Declare it as a VaultDynamicSecret`;
  return new SyncError("UNSUPPORTED", message);
}

/** A deleted or destroyed version: Vault answers 404 with metadata and `data: null`. */
function deletedVersion(asked: Asked, answer: VaultAnswer): SourceData | undefined {
  if (asked.purpose !== "kv-v2" || (answer.status !== 404 && answer.status !== 200)) return undefined;
  const response = bodyOf(answer)?.data;
  if (!isLosslessObject(response) || response.data !== null || !isLosslessObject(response.metadata)) return undefined;
  return { response, fields: new Map(), version: versionOf(asked, response.metadata) };
}

function fieldsOf(data: LosslessObject): Map<string, LosslessValue> {
  return new Map(Object.entries(data));
}

/** RFC 3339 as Go writes it, with nanoseconds. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

function versionOf(asked: Asked, metadata: LosslessObject): NonNullable<SourceData["version"]> {
  const { version, created_time: time } = metadata;
  const number = isLosslessNumber(version) ? Number(version.value) : Number.NaN;
  const createdTime = String(time);
  // The row stores both, so Vault must not choose their size.
  if (!Number.isSafeInteger(number) || number < 0 || !TIME.test(createdTime)) {
    throw invalidAnswer(asked, "has no version and created_time in its metadata");
  }
  return { number, createdTime };
}
