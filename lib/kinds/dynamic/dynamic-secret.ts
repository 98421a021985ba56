import { SECOND_MS } from "../../clock.ts";
import { VAULT_DYNAMIC_SECRET } from "../../resource-kinds.ts";
import type { JsonObject } from "../../util/json.ts";
import { issuedKind } from "../issued/issued-kind.ts";
import type { Made } from "../issued/issuing-kind.ts";
import { transformed } from "../shared/transformed.ts";
import { leftDynamic } from "./left.ts";
import { asDeclaredNow, countedFrom, goodUntil, isCounted, isFollowed, nextRead } from "./next-read.ts";
import { type ResolvedDynamicSecret, resolveDynamicSecret } from "./resolve.ts";
import {
  afterRead,
  isSameRotation,
  knownRotation,
  LAST_ROTATION,
  overdueWarning,
  rotationJson,
  rotationOf,
  rotationStatus,
  unfollowedRotation,
} from "./static-role.ts";

/** Credentials that Vault makes, with a lease of their own; and static roles, whose rotations are followed. */
export const dynamicSecret = issuedKind<ResolvedDynamicSecret>({
  ref: VAULT_DYNAMIC_SECRET,
  resolve: resolveDynamicSecret,

  isReadEachTime: ({ resolved }, { made }) => isFollowed(resolved, made),

  asDeclaredNow: ({ resolved, random }, was) => asDeclaredNow(resolved, was, random),

  // A former version did not record what it took for data like any.
  unfit({ resolved }, { isLeaseless, made = {} }, held) {
    const isUnknown = isLeaseless === true && !isCounted(made);
    if (!resolved.allowStaticCreds || !isUnknown || !held.has(LAST_ROTATION)) return undefined;
    return "its declaration allows to follow the role now";
  },

  // Its time to live is another one with each read, and alone is no reason to write the Secret.
  isSame: (was, { made }) =>
    isSameRotation(knownRotation(was.made) ?? unfollowedRotation(was.made), knownRotation(made)),

  async make(run, answer, askedAt, was): Promise<Made> {
    const { resolved, clock } = run;
    const { data, missing } = await transformed(run, resolved.transformation, answer);
    const own = { requestId: answer.requestId };
    const rotation = rotationOf(answer);
    if (rotation !== undefined && resolved.allowStaticCreds) {
      const now = clock();
      const { at, known } = afterRead(rotation, knownRotation(was.made), was.replaceAt, now);
      const warnings = overdueWarning(known, now);
      return { data, missing, replaceAt: at, made: { ...own, rotation: rotationJson(known) }, warnings };
    }
    if (answer.lease !== undefined) return { data, missing, made: own };
    const until = goodUntil(resolved, answer, askedAt);
    const unfollowed = rotation === undefined ? {} : { unfollowed: rotationJson(rotation) };
    return {
      ...{ data, missing, made: { ...own, ...unfollowed, ...countedFrom(resolved, until) } },
      ...nextRead(resolved, askedAt, until, run.random),
    };
  },

  left: ({ resolved, clock }, left) => leftDynamic(resolved, left, clock()),

  status({ issuedAt = 0, made = {} }, live): JsonObject {
    const { requestId } = made;
    const requestID = typeof requestId === "string" ? requestId : "";
    const { id = "", seconds = 0, renewable = false } = live?.vaultLease ?? {};
    const rotation = knownRotation(made);
    return {
      lastRenewalTime: Math.floor(issuedAt / SECOND_MS),
      // VSO keeps what its own client has issued, and only that.
      ...(live !== undefined && live.shared !== true ? { vaultClientMeta: null } : {}),
      secretLease: { id, duration: seconds, renewable, requestID },
      staticCredsMetaData: rotation === undefined ? null : rotationStatus(rotation),
    };
  },
});
