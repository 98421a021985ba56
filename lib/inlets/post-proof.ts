import type { IncomingMessage } from "node:http";
import { InputError, SyncError } from "../errors.ts";
import type { MissedReason } from "../ports/inlet.ts";
import {
  type Accepted,
  checkPost,
  headersProblem,
  isBearer,
  MISSED_HEADER,
  missedReason,
  type PostProblem,
  REMEDY_OF_PROBLEM,
  SIGNATURE_HEADER,
  STATUS_OF_PROBLEM,
  TIMESTAMP_HEADER,
} from "./signed-post.ts";
import type { InletDeps, Sink } from "./sink.ts";

/**
 * What proves that a POST comes from this Vault's sender. Read at each POST, because keys change. Reading throws
 * SyncError or InputError when it can't be used.
 */
export type PostCredential =
  | { readonly kind: "signature"; keys(): Promise<readonly Uint8Array[]> }
  | { readonly kind: "bearer"; tokens(): Promise<readonly Uint8Array[]> }
  /** The relay's, on loopback. */
  | { readonly kind: "none" };

export interface Answer {
  readonly status: number;
  /** What the sender should do, or what was taken. */
  readonly says: string | Readonly<Record<string, number>>;
  readonly headers?: Readonly<Record<string, string>>;
}

export const RETRY = { "retry-after": "1" };

/** Where a POST has to prove something. */
export interface ProvenRoute {
  readonly credential: PostCredential;
  readonly sink: Sink;
  readonly accepted: Accepted;
  /** Stores a POST that was taken. */
  readonly onTaken?: (id: string) => Promise<void>;
  readonly onLost?: (reason: MissedReason) => void;
  /** Told at each POST: why the credential can't be used; undefined: it can. */
  readonly onCredential: (why: string | undefined) => void;
}

export interface Proof {
  readonly missed: MissedReason | undefined;
  /** The lines were not taken: the same POST may come again. */
  readonly forget: () => void;
  /** The lines are taken: no process accepts the same POST again. */
  readonly remember: () => Promise<void>;
}

/** Bodies that are read before anything proves them: of each peer a few at once, so that none has them all. */
export interface PeerBodies {
  /** Undefined: the peer has as many as it may. */
  enter(peer: string | undefined): (() => void) | undefined;
}

const BODIES_OF_PEER = 4;

export function bodiesOfPeers(): PeerBodies {
  const open = new Map<string, number>();
  return {
    enter(peer = "") {
      const before = open.get(peer) ?? 0;
      if (before >= BODIES_OF_PEER) return undefined;
      open.set(peer, before + 1);
      return () => {
        const left = (open.get(peer) ?? 1) - 1;
        if (left === 0) open.delete(peer);
        else open.set(peer, left);
      };
    },
  };
}

/** Tells of a credential that can't be used, once for each reason. */
export function credentialLog({ log }: InletDeps, { vault, way }: Sink): ProvenRoute["onCredential"] {
  let told: string | undefined;
  return (why) => {
    if (why !== undefined && why !== told) log.error("inlet-credential-unusable", { vault, inlet: way, why });
    told = why;
  };
}

interface Refusal extends Answer {
  readonly reason: PostProblem | "bearer" | "credential" | "peer-busy";
}

/** Counts a POST that is refused. */
export function refused({ metrics }: InletDeps, { sink }: ProvenRoute, { reason, ...answer }: Refusal): Answer {
  metrics.count("keyferry_inlet_posts_refused_total", { vault: sink.vault, reason });
  return answer;
}

/** What no body can make good, so that none is read; undefined: read it. */
export function headersRefusal(deps: InletDeps, route: ProvenRoute, request: IncomingMessage): Answer | undefined {
  if (route.credential.kind !== "signature") return undefined;
  const problem = headersProblem(signedHeadersOf(request), deps.clock());
  return problem === undefined ? undefined : refused(deps, route, refusalFor(problem));
}

export async function tokenProof(
  deps: InletDeps,
  route: ProvenRoute,
  request: IncomingMessage,
): Promise<Proof | Answer> {
  const { credential } = route;
  const tokens = credential.kind === "bearer" ? await usable(deps, route, () => credential.tokens()) : [];
  if ("status" in tokens) return tokens;
  if (credential.kind === "none" || isBearer(request.headers.authorization, tokens)) {
    return {
      missed: missedReason(header(request, MISSED_HEADER)),
      forget: () => undefined,
      remember: async () => undefined,
    };
  }
  const says = "send the inlet's token: Authorization: Bearer …";
  return refused(deps, route, { reason: "bearer", status: 401, says });
}

export async function signatureProof(
  deps: InletDeps,
  route: ProvenRoute,
  request: IncomingMessage,
  body: Buffer,
): Promise<Proof | Answer> {
  const { credential, accepted } = route;
  const keys = credential.kind === "signature" ? await usable(deps, route, () => credential.keys()) : [];
  if ("status" in keys) return keys;
  const checked = checkPost({ ...signedHeadersOf(request), body }, { keys, accepted, now: deps.clock() });
  if (typeof checked === "string") return refused(deps, route, refusalFor(checked));
  const { id, missed } = checked;
  const remember = async (): Promise<void> => {
    await route.onTaken?.(id);
    accepted.take(id);
  };
  return { missed, forget: () => accepted.remove(id), remember };
}

/** The keys or tokens, or the answer while they can't be used. */
async function usable(
  deps: InletDeps,
  route: ProvenRoute,
  read: () => Promise<readonly Uint8Array[]>,
): Promise<readonly Uint8Array[] | Answer> {
  try {
    const found = await read();
    route.onCredential(undefined);
    return found;
  } catch (error) {
    if (!(error instanceof SyncError || error instanceof InputError)) throw error;
    route.onCredential(error.message);
    route.onLost?.("overflow");
    const says = "the inlet's own key or token can't be used: its log says why";
    return refused(deps, route, { reason: "credential", status: 503, says, headers: RETRY });
  }
}

function refusalFor(problem: PostProblem): Refusal {
  const status = STATUS_OF_PROBLEM[problem];
  const says = REMEDY_OF_PROBLEM[problem];
  return { reason: problem, status, says, ...(status === 503 ? { headers: RETRY } : {}) };
}

function signedHeadersOf(request: IncomingMessage) {
  return {
    timestamp: header(request, TIMESTAMP_HEADER),
    signature: header(request, SIGNATURE_HEADER),
    missed: header(request, MISSED_HEADER),
  };
}

function header({ headers }: IncomingMessage, name: string): string | undefined {
  return headers[name]?.toString();
}
