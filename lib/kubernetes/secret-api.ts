import type { Clock } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { OWNER_UID_LABEL } from "../owner-labels.ts";
import type { NamedObject } from "../ports/objects.ts";
import type { DesiredSecret, Precondition, Rehearsal, SecretApi, WrittenSecret } from "../ports/secrets.ts";
import { SECRET } from "../resource-kinds.ts";
import type { SecretData } from "../secret-value.ts";
import { accepted, type ClusterClients } from "./cluster-client.ts";
import { createHmacKey, findHmacKey, hmacKeys } from "./hmac-key.ts";
import { type KubeCall, metadataAs } from "./kube-call.ts";
import { refusalOf } from "./kube-errors.ts";
import { isAbsent } from "./kube-failure.ts";
import { AS_BESIDE, AS_MANAGER, ourDataKeys, takenOver } from "./managed-fields.ts";
import { isName } from "./resource-object.ts";
import { applyBody, besideBody, dropOwnerBody, encodedData, seenSecret, writtenSecret } from "./secret-object.ts";
import { metadataOf, type Shape, shapeAt, shapesAt, textAt } from "./shapes.ts";

const APPLY = { contentType: "application/apply-patch+yaml", query: { ...AS_MANAGER, force: "true" } };
const APPLY_BESIDE = { ...APPLY, query: { ...AS_BESIDE, force: "true" } };
const MERGE = { contentType: "application/merge-patch+json", query: AS_MANAGER };
const JSON_PATCH = { contentType: "application/json-patch+json", query: AS_MANAGER };

/** The maximum number of Secrets that former destinations of one declaration leave behind. */
const MAX_OWNED = 100;

type Patch = Pick<KubeCall, "contentType" | "query" | "body">;

/** Reads and writes Secrets in clusters (kubernetes-rules 1 to 9). */
export function secretApi({ clients, clock }: { clients: ClusterClients; clock: Clock }): SecretApi {
  const patch = (secret: NamedObject, how: Patch): KubeCall => ({ ...secret, verb: "patch", kind: SECRET, ...how });

  const write = async (secret: NamedObject, how: Patch, signal: AbortSignal): Promise<Shape> => {
    const call = patch(secret, how);
    return notTerminating(secret, accepted(call, await clients.send(call, signal)));
  };

  const find = async (call: KubeCall, signal: AbortSignal): Promise<Shape | undefined> => {
    const answer = await clients.send(call, signal);
    const isMissing =
      "failure" in answer && (isAbsent(answer.failure, "secrets") || isAbsent(answer.failure, "namespaces"));
    return isMissing ? undefined : accepted(call, answer);
  };

  return {
    async observe(secret, how, signal) {
      const get: KubeCall = { ...secret, verb: "get", kind: SECRET };
      const empty = { ...(how === "dry-run" ? asDryRun(MERGE) : MERGE), body: {} };
      const found = await find(how === "get" ? get : patch(secret, empty), signal);
      return found && seenSecret(found);
    },

    async apply(secret, desired, precondition, signal) {
      const answer = await write(secret, applyPatch(secret, desired, precondition), signal);
      return writtenSecret(answer, desired.data);
    },

    async rehearse(secret, rehearsal, signal) {
      const call = patch(secret, asDryRun(rehearsedPatch(secret, rehearsal)));
      const answer = await clients.send(call, signal);
      // The write itself does not meet this refusal.
      if ("failure" in answer && answer.failure.status?.admission?.how === "undryable") return;
      notTerminating(secret, accepted(call, answer));
    },

    async dropKeys(secret, keys, resourceVersion, signal) {
      const data = Object.fromEntries(keys.map((key) => [key, null]));
      const answer = await write(secret, { ...MERGE, body: { metadata: { resourceVersion }, data } }, signal);
      return withForeignKeys(answer);
    },

    async replaceData(secret, uid, data, signal) {
      return writtenSecret(await write(secret, replacePatch(uid, data), signal), data);
    },

    async takeOverFields(secret, resourceVersion, signal) {
      // An empty patch and not a GET, because every identity that may apply may also patch.
      const before = await write(secret, { ...MERGE, body: {} }, signal);
      const seen = metadataOf(before, "Secret");
      const managedFields = takenOver(seen.metadata);
      if (seen.resourceVersion !== resourceVersion) throw changed(secret);
      if (managedFields === undefined) return withForeignKeys(before);
      const body = [
        { op: "test", path: "/metadata/resourceVersion", value: resourceVersion },
        { op: "replace", path: "/metadata/managedFields", value: managedFields },
      ];
      return withForeignKeys(await write(secret, { ...JSON_PATCH, body }, signal));
    },

    async standBeside(secret, owner, seen, signal) {
      const answer = await write(secret, { ...APPLY_BESIDE, body: besideBody(secret, owner, seen) }, signal);
      return metadataOf(answer, "Secret").resourceVersion;
    },

    async dropOwner(secret, uid, seen, signal) {
      await write(secret, { ...JSON_PATCH, body: dropOwnerBody(uid, seen) }, signal);
    },

    async remove(secret, { uid, resourceVersion }, signal) {
      const body = { apiVersion: "v1", kind: "DeleteOptions", preconditions: { uid, resourceVersion } };
      await find({ ...secret, verb: "delete", kind: SECRET, body }, signal);
    },

    async ownedNames({ cluster, namespace }, uid, signal) {
      const query = { labelSelector: `${OWNER_UID_LABEL}=${uid}` };
      const accept = metadataAs("PartialObjectMetadataList");
      const call: KubeCall = { cluster, namespace, verb: "list", kind: SECRET, query, accept };
      const items = shapesAt(accepted(call, await clients.send(call, signal)), "items");
      // The row stores them, and they are pruned one by one.
      return items
        .map((item) => textAt(shapeAt(item, "metadata"), "name") ?? "")
        .filter(isName)
        .slice(0, MAX_OWNED);
    },

    hmacKey: hmacKeys(clients, clock),
    findHmacKey: findHmacKey(clients),
    createHmacKey: createHmacKey(clients),
  };
}

function applyPatch(secret: NamedObject, desired: DesiredSecret, precondition: Precondition): Patch {
  return { ...APPLY, body: applyBody(secret, desired, precondition) };
}

function replacePatch(uid: string, data: SecretData): Patch {
  const body = [
    { op: "test", path: "/metadata/uid", value: uid },
    { op: "add", path: "/data", value: encodedData(data) },
  ];
  return { ...JSON_PATCH, body };
}

function rehearsedPatch(secret: NamedObject, rehearsal: Rehearsal): Patch {
  return rehearsal.kind === "apply"
    ? applyPatch(secret, rehearsal.desired, rehearsal.precondition)
    : replacePatch(rehearsal.uid, rehearsal.data);
}

function asDryRun<P extends Patch>(write: P): P {
  return { ...write, query: { ...write.query, dryRun: "All" } };
}

/** A terminating Secret accepts writes with 200 and is gone a moment later (kubernetes-rules 7). */
function notTerminating(secret: NamedObject, answer: Shape): Shape {
  if (textAt(shapeAt(answer, "metadata"), "deletionTimestamp") === undefined) return answer;
  const { cluster, namespace, name } = secret;
  throw new SyncError("SECRET_TERMINATING", `secrets ${namespace}/${name} in cluster ${cluster} is being deleted`);
}

function changed(secret: NamedObject): SyncError {
  const conflict = { http: 409, status: { reason: "Conflict", kind: "secrets", causes: [], quota: false } };
  return refusalOf({ ...secret, verb: "patch", kind: SECRET }, conflict);
}

function withForeignKeys(answer: Shape): WrittenSecret {
  return writtenSecret(answer, ourDataKeys(shapeAt(answer, "metadata")));
}
