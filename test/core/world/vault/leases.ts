import { type Answer, type Body, bodyOf, done, failed, ok, type Question } from "./answers.ts";
import type { Token } from "./tokens.ts";

/** How long Vault works on the leases of a token that has ended. */
const BACKGROUND_MS = 200;

export interface Lease {
  readonly id: string;
  /** `database/creds/app`. */
  readonly path: string;
  /** The token that asked, if it lived when the credential was made: the lease ends with it. */
  readonly token: Token | undefined;
  readonly madeAt: number;
  readonly maxAt: number;
  readonly isRenewable: boolean;
  endsAt: number;
  /** When its credential is taken back for other reasons than its end. */
  revokedAt: number | undefined;
  /** What it is for: a user, a serial. */
  readonly about: string;
}

export interface LeaseOrder {
  readonly path: string;
  readonly token: Token | "root";
  readonly ttlMs: number;
  readonly maxMs: number;
  readonly isRenewable: boolean;
  readonly about: string;
}

/** The leases of one Vault. */
export interface Leases {
  /** The answer's part about the lease. */
  make(order: LeaseOrder): Body;
  handle(question: Question, verb: string): Answer;
  /** That have not ended. */
  live(): readonly Lease[];
  isLive(lease: Lease): boolean;
  find(id: string): Lease | undefined;
}

/** What a mount that issues needs. */
export interface EngineDeps {
  readonly now: () => number;
  readonly leases: Leases;
  readonly mount: string;
}

export function vaultLeases(now: () => number): Leases {
  const leases = new Map<string, Lease>();
  let made = 0;
  const endOf = ({ endsAt, revokedAt = Number.POSITIVE_INFINITY, token }: Lease): number =>
    Math.min(endsAt, revokedAt, token === undefined ? Number.POSITIVE_INFINITY : token.endsAt + BACKGROUND_MS);
  const isLive = (lease: Lease): boolean => now() < endOf(lease);
  const find = (id: string): Lease | undefined => {
    const lease = leases.get(id);
    return lease !== undefined && isLive(lease) ? lease : undefined;
  };
  const secondsLeft = (lease: Lease): number => Math.max(0, Math.ceil((lease.endsAt - now()) / 1_000));
  const live = (): readonly Lease[] => {
    for (const [id, lease] of leases) if (!isLive(lease)) leases.delete(id);
    return [...leases.values()];
  };

  const renew = ({ lease_id: id, increment }: Body): Answer => {
    const lease = find(String(id));
    if (lease === undefined) return failed(400, "lease not found");
    if (!lease.isRenewable) return failed(400, "lease is not renewable");
    const asked = Number(increment ?? 0) * 1_000 || lease.endsAt - now();
    lease.endsAt = Math.min(now() + asked, lease.maxAt);
    return ok({ lease_id: lease.id, lease_duration: secondsLeft(lease), renewable: true, data: null });
  };
  const lookUp = ({ lease_id: id }: Body): Answer => {
    const lease = find(String(id));
    if (lease === undefined) return failed(400, "invalid lease");
    const { isRenewable: renewable } = lease;
    const times = {
      issue_time: new Date(lease.madeAt).toISOString(),
      expire_time: new Date(lease.endsAt).toISOString(),
    };
    return ok({ data: { id: lease.id, ...times, renewable, ttl: secondsLeft(lease) } });
  };
  const revoke = (id: string): Answer => {
    const lease = find(id);
    if (lease !== undefined) lease.revokedAt = now();
    return done();
  };
  const verbs: Readonly<Record<string, (body: Body) => Answer>> = {
    ...{ renew, lookup: lookUp },
    revoke: ({ lease_id: id }) => revoke(String(id)),
  };
  return {
    ...{ live, isLive, find },
    make({ path, token, ttlMs, maxMs, isRenewable, about }) {
      const isBound = token !== "root" && now() < token.endsAt;
      // A batch token has nothing that its leases could hang on: they are cut instead.
      const longest = isBound && token.isBatch ? token.endsAt - now() : Number.POSITIVE_INFINITY;
      const lease: Lease = {
        ...{ id: `${path}/${String(++made).padStart(24, "0")}`, path, about, isRenewable, madeAt: now() },
        token: isBound ? token : undefined,
        maxAt: now() + Math.min(maxMs, longest),
        endsAt: now() + Math.min(ttlMs, maxMs, longest),
        revokedAt: undefined,
      };
      leases.set(lease.id, lease);
      return { lease_id: lease.id, lease_duration: secondsLeft(lease), renewable: isRenewable };
    },
    handle(question, verb) {
      if (verb.startsWith("revoke/")) return revoke(verb.slice("revoke/".length));
      const work = verbs[verb];
      return work ? work(bodyOf(question)) : failed(404, "unsupported path");
    },
  };
}
