import { type EpochMs, type Random, SECOND_MS } from "../../clock.ts";
import { usedFor } from "../../issues/issue-times.ts";
import { VAULT_DYNAMIC_SECRET } from "../../resource-kinds.ts";
import type { JsonObject } from "../../util/json.ts";
import { issuedKind } from "../issued/issued-kind.ts";
import type { Made } from "../issued/issuing-kind.ts";
import { transformed } from "../shared/transformed.ts";
import { leftDynamic } from "./left.ts";
import { type ResolvedDynamicSecret, resolveDynamicSecret } from "./resolve.ts";
import { sshLifetime } from "./ssh-lifetime.ts";
import {
  afterRead,
  isSameRotation,
  knownRotation,
  overdueWarning,
  rotationJson,
  rotationOf,
  rotationStatus,
} from "./static-role.ts";

/** Data without a lease is asked for again in this span of its `refreshAfter`, at random: many began together. */
const REFRESH_FROM = 0.8;
const REFRESH_UNTIL = 0.9;

/** Credentials that Vault makes, with a lease of their own; and static roles, whose rotations are followed. */
export const dynamicSecret = issuedKind<ResolvedDynamicSecret>({
  ref: VAULT_DYNAMIC_SECRET,
  resolve: resolveDynamicSecret,

  isReadEachTime: ({ resolved }, { made }) => resolved.allowStaticCreds && knownRotation(made) !== undefined,

  // Its time to live is another one with each read, and alone is no reason to write the Secret.
  isSame: (was, { made }) => isSameRotation(knownRotation(was.made), knownRotation(made)),

  async make(run, answer, askedAt, was): Promise<Made> {
    const { resolved, clock } = run;
    const { data, missing } = await transformed(run, resolved.transformation, answer);
    const own = { requestId: answer.requestId };
    const rotation = resolved.allowStaticCreds ? rotationOf(answer) : undefined;
    if (rotation !== undefined) {
      const now = clock();
      const { at, known } = afterRead(rotation, knownRotation(was.made), was.replaceAt, now);
      const warnings = overdueWarning(known, now);
      return { data, missing, replaceAt: at, made: { ...own, rotation: rotationJson(known) }, warnings };
    }
    if (answer.lease !== undefined) return { data, missing, made: own };
    const seconds = goodFor(resolved, answer, askedAt, run.random);
    const replaceAt = seconds === undefined ? {} : { replaceAt: askedAt + Math.floor(seconds * SECOND_MS) };
    return { data, missing, ...replaceAt, made: own };
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
      ...(rotation === undefined ? {} : { staticCredsMetaData: rotationStatus(rotation) }),
    };
  },
});

/** For how many seconds leaseless data is used: the shortest of what is declared, said by Vault, and in the data. */
function goodFor(
  { refreshAfterMs, renewalPercent }: ResolvedDynamicSecret,
  { fields, goodForSeconds }: Parameters<typeof sshLifetime>[0] & { readonly goodForSeconds: number },
  askedAt: EpochMs,
  random: Random,
): number | undefined {
  const inData = sshLifetime({ fields }, askedAt);
  const times = [
    ...(refreshAfterMs === undefined ? [] : [(refreshAfterMs / SECOND_MS) * refreshShare(random)]),
    ...[goodForSeconds || undefined, inData].flatMap((seconds) =>
      seconds === undefined ? [] : [usedFor(seconds, renewalPercent)],
    ),
  ];
  return times.length === 0 ? undefined : Math.max(1, Math.min(...times));
}

function refreshShare(random: Random): number {
  return REFRESH_UNTIL - random() * (REFRESH_UNTIL - REFRESH_FROM);
}
