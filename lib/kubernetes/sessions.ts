import type { KubeConfig } from "@kubernetes/client-node";
import { type Clock, type EpochMs, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { ClusterAccess } from "../ports/cluster-access.ts";
import type { Log } from "../ports/telemetry.ts";
import { type Connection, connect } from "./connection.ts";
import { loadKubeConfig } from "./kube-config.ts";

/** How often token files and certificates are read again; an exec plugin runs again when its token expires. */
const REREAD_MS = 30 * SECOND_MS;

/** Credentials with an expiry are fetched again so long before it. */
const BEFORE_END_MS = 60 * SECOND_MS;

interface Session {
  readonly config: KubeConfig;
  readonly connection: Connection;
  readonly rereadAt: EpochMs;
  /** When the kubeconfig itself is fetched again. */
  readonly endsAt: EpochMs;
  /** uid of kube-system that the API server must have. */
  readonly identity: string | undefined;
}

/** The connections to each cluster, one set for each version of its credentials. */
export interface Sessions {
  get(cluster: string): Promise<Connection>;
  /** The API server refused these credentials: the next `get` reads the kubeconfig again. */
  drop(cluster: string, refused: Connection): Promise<void>;
  /** The next `get` resolves the cluster again; running requests keep their connections. */
  forget(cluster: string): void;
  close(): void;
}

export interface SessionOptions {
  /**
   * Where a cluster is and how to log in. Called for its first request, after a refused login, and when the access
   * expires. `isRefused`: the API server answered 401 to the credentials of the last answer.
   */
  resolve(cluster: string, isRefused: boolean): ClusterAccess | Promise<ClusterAccess>;
  readonly clock: Clock;
  readonly log: Log;
  readonly timeoutMs: number;
  /** Throws unless the API server has this uid of kube-system. */
  mustBe(cluster: string, connection: Connection, identity: string): Promise<void>;
}

export function sessions({ resolve, clock, log, timeoutMs, mustBe }: SessionOptions): Sessions {
  const known = new Map<string, Promise<Session>>();
  const refusedNow = new Set<string>();

  const load = async (cluster: string, now: EpochMs): Promise<Pick<Session, "config" | "endsAt" | "identity">> => {
    const access = await resolve(cluster, refusedNow.delete(cluster));
    const endsAt = (access.expiresAt ?? Number.POSITIVE_INFINITY) - BEFORE_END_MS;
    // Not at once: a token that lives shorter than the margin would otherwise be fetched for each request.
    const config = await loadKubeConfig(cluster, access);
    return { config, endsAt: Math.max(endsAt, now + REREAD_MS), identity: access.identity };
  };

  const identified = async (cluster: string, connection: Connection, identity: string): Promise<void> => {
    try {
      await mustBe(cluster, connection, identity);
    } catch (error) {
      connection.close();
      // The first request over a connection: a 401 to it counts as any other.
      if (error instanceof SyncError && error.code === "KUBE_LOGIN_REFUSED") refusedNow.add(cluster);
      throw error;
    }
  };

  const open = async (cluster: string, before?: Session): Promise<Session> => {
    const now = clock();
    const source = before && now < before.endsAt ? before : await load(cluster, now);
    const connection = await connect(cluster, source.config, timeoutMs, before?.connection);
    const isNew = before?.connection.tlsId !== connection.tlsId;
    if (isNew && source.identity !== undefined) await identified(cluster, connection, source.identity);
    if (before && isNew) before.connection.close();
    const { config, endsAt, identity } = source;
    return { config, endsAt, identity, connection, rereadAt: now + REREAD_MS };
  };

  const first = (cluster: string): Promise<Session> => {
    const session = open(cluster);
    known.set(cluster, session);
    session.catch(() => known.get(cluster) === session && known.delete(cluster));
    return session;
  };

  /** The current credentials may still be valid when a new read fails: the API server decides. */
  const connectAnew = (cluster: string, before: Session): Promise<Session> => {
    const session = open(cluster, before).catch((error: unknown) => {
      log.warn("cluster-credentials-not-reread", { cluster, ...(error instanceof SyncError && { code: error.code }) });
      return { ...before, rereadAt: clock() + REREAD_MS };
    });
    known.set(cluster, session);
    return session;
  };

  return {
    async get(cluster) {
      const current = known.get(cluster) ?? first(cluster);
      const session = await current;
      if (clock() < session.rereadAt) return session.connection;
      // One waiting caller reads again, and the others use its result.
      const next = known.get(cluster);
      return (await (next === undefined || next === current ? connectAnew(cluster, session) : next)).connection;
    },
    async drop(cluster, refused) {
      const current = known.get(cluster);
      const session = await current?.catch(() => undefined);
      if (session?.connection.headers !== refused.headers || known.get(cluster) !== current) return;
      known.delete(cluster);
      refusedNow.add(cluster);
      refused.close();
    },
    forget(cluster) {
      const session = known.get(cluster);
      known.delete(cluster);
      refusedNow.delete(cluster);
      void session?.then(({ connection }) => connection.close()).catch(() => undefined);
    },
    close() {
      const all = [...known.values()];
      known.clear();
      for (const session of all) void session.then(({ connection }) => connection.close()).catch(() => undefined);
    },
  };
}
