import type { IssuedData, VaultLease } from "../ports/vault-issues.ts";
import { isLosslessObject, type LosslessObject } from "../util/lossless.ts";
import type { VaultAnswer } from "./answer.ts";
import type { Asked } from "./asked.ts";
import { secondsOf } from "./seconds.ts";
import { answerError, invalidAnswer, objectOf } from "./vault-errors.ts";

/** In bytes. The row stores the id, so Vault must not choose its size. */
const MAX_LEASE_ID = 1_024;
/** In characters; Vault's own ids are UUIDs. */
const MAX_REQUEST_ID = 128;

/** The credential in an answer. Throws the error that the answer stands for. */
export function issuedData(asked: Asked, answer: VaultAnswer): IssuedData {
  if (answer.status === 204) throw invalidAnswer(asked, "has no data: this path issues nothing");
  if (answer.status !== 200) throw answerError(asked, answer);
  const body = objectOf(asked, answer);
  const { data, auth, wrap_info: wrapped, request_id: requestId } = body;
  if (isLosslessObject(wrapped)) {
    throw invalidAnswer(asked, "is wrapped: remove X-Vault-Wrap-TTL from the headers of its VaultConnection");
  }
  if (isLosslessObject(auth)) throw invalidAnswer(asked, "is a login: a token of Vault can't be synced to a Secret");
  if (!isLosslessObject(data)) throw invalidAnswer(asked, "has no data object: this path issues nothing");
  const lease = leaseOf(asked, body);
  return {
    response: data,
    fields: new Map(Object.entries(data)),
    requestId: typeof requestId === "string" && requestId.length <= MAX_REQUEST_ID ? requestId : "",
    ...(lease && { lease }),
    goodForSeconds: lease === undefined ? secondsOf(body.lease_duration) : 0,
  };
}

function leaseOf(asked: Asked, body: LosslessObject): VaultLease | undefined {
  const { lease_id: id, lease_duration: duration, renewable } = body;
  if (typeof id !== "string" || id === "") return undefined;
  if (Buffer.byteLength(id) > MAX_LEASE_ID) {
    throw invalidAnswer(asked, `has a lease id of more than ${MAX_LEASE_ID} bytes: use a shorter path`);
  }
  return { id, seconds: secondsOf(duration), renewable: renewable === true };
}
