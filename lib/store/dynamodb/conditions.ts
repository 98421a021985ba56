import type { EpochMs } from "../../clock.ts";
import { fingerprint } from "../../digest.ts";
import type { SyncKey } from "../../keys.ts";
import type { Lease } from "../../ports/store.ts";
import type { Values } from "./values.ts";

/**
 * A condition of a write, named so that it reads as a sentence. None of these attributes is a reserved word of
 * DynamoDB.
 */
export interface Condition {
  readonly text: string;
  /** Missing: none. */
  readonly values?: Values;
}

/** Every update has this condition, or one that compares an attribute, which implies it (lease-table 4). */
export const itemExists: Condition = { text: "attribute_exists(pk)" };

export const itemIsAbsent: Condition = { text: "attribute_not_exists(pk)" };

export const nobodyHoldsIt: Condition = { text: "attribute_not_exists(leaseUntil)" };

/** A lease that ends at this instant is over. */
export const itsLeaseRanOut = (now: EpochMs): Condition => ({
  text: "leaseUntil <= :wasNow",
  values: { ":wasNow": now },
});

export const fenceIsStill = (fence: number): Condition => ({
  text: "fence = :wasFence",
  values: { ":wasFence": fence },
});

export const uidIsStill = (uid: string): Condition => ({ text: "uid = :wasUid", values: { ":wasUid": uid } });

/** Any claim or settle changes this. */
export const leaseIsStill = (leaseUntil: EpochMs | undefined): Condition =>
  leaseUntil === undefined
    ? nobodyHoldsIt
    : { text: "leaseUntil = :wasLeaseUntil", values: { ":wasLeaseUntil": leaseUntil } };

export const declarationIsStill = (hash: string): Condition => ({
  text: "declaredHash = :wasHash",
  values: { ":wasHash": hash },
});

/** Since the row was read, before the first Vault read (lease-table 2). */
export const noNudgeSince = (nudges: number): Condition => ({
  text: "nudges = :wasNudges",
  values: { ":wasNudges": nudges },
});

/** Any record since then changes this. */
export const recordsAreStill = (records: number | undefined): Condition =>
  records === undefined
    ? { text: "attribute_not_exists(records)" }
    : { text: "records = :wasRecords", values: { ":wasRecords": records } };

/** The lease has not ended. */
export const leaseLasts = (now: EpochMs): Condition => ({
  text: "leaseUntil > :isNow",
  values: { ":isNow": now },
});

/** The fence of this row, or of an earlier one. */
export const fenceIsAtMost = (fence: number): Condition => ({
  text: "fence <= :atFence",
  values: { ":atFence": fence },
});

export const fenceIsBelow = (fence: number): Condition => ({
  text: "fence < :newFence",
  values: { ":newFence": fence },
});

export const holderIs = (key: SyncKey): Condition => {
  const name = `:holder${fingerprint(key)}`;
  return { text: `syncKey = ${name}`, values: { [name]: key } };
};

/** A row with a Vault lease is never deleted (lease-table 28). */
export const hasNoIssues: Condition = { text: "attribute_not_exists(issues)" };

export const unnamedSinceIsStill = (at: EpochMs): Condition => ({
  text: "unnamedSince = :wasUnnamed",
  values: { ":wasUnnamed": at },
});

export const isUnnamed: Condition = { text: "attribute_exists(unnamedSince)" };

export const unsentIsStill = (unsent: string): Condition => ({
  text: "unsent = :wasUnsent",
  values: { ":wasUnsent": unsent },
});

export const probeAtIsStill = (probeAt: EpochMs): Condition => ({
  text: "probeAt = :wasProbeAt",
  values: { ":wasProbeAt": probeAt },
});

export const notedAtIsAtMost = (at: EpochMs): Condition => ({
  text: "notedAt <= :atNoted",
  values: { ":atNoted": at },
});

export const dispatchedUntilIsStill = (at: EpochMs): Condition => ({
  text: "handedUntil = :wasHandedUntil",
  values: { ":wasHandedUntil": at },
});

export const tokenSerialIsStill = (serial: string): Condition => ({
  text: "tokenSerial = :wasSerial",
  values: { ":wasSerial": serial },
});

export const versionDiffers = (uid: string, hash: string): Condition => ({
  text: "(uid <> :wasUid OR declaredHash <> :wasHash)",
  values: { ":wasUid": uid, ":wasHash": hash },
});

/** No other worker has claimed it, and the declaration is still there (lease-table 4). */
export const leaseIsOurs = ({ fence, uid }: Pick<Lease, "fence" | "uid">): Condition =>
  all(fenceIsStill(fence), uidIsStill(uid));

export function all(...conditions: readonly Condition[]): Condition {
  return joined(conditions, " AND ");
}

export function either(...conditions: readonly Condition[]): Condition {
  const { text, ...rest } = joined(conditions, " OR ");
  return { text: `(${text})`, ...rest };
}

function joined(conditions: readonly Condition[], by: string): Condition {
  return {
    text: conditions.map(({ text }) => text).join(by),
    values: Object.assign({}, ...conditions.map(({ values }) => values)) as Values,
  };
}

/** Index items of earlier versions have no fence. */
const withoutFence: Condition = { text: "attribute_not_exists(fence)" };

export const itsFenceIsAtMost = (fence: number): Condition => either(withoutFence, fenceIsAtMost(fence));

export function itsFenceIsStill(fence: number | undefined): Condition {
  return fence === undefined ? withoutFence : fenceIsStill(fence);
}
