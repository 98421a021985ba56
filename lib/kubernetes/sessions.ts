import type { KubeConfig } from "@kubernetes/client-node";
import { type Clock, type EpochMs, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { Log } from "../ports/telemetry.ts";
import { type Connection, connect } from "./connection.ts";
import { type ClusterAccess, loadKubeConfig } from "./kube-config.ts";

/** Token files and certificates are read again this often; an exec plugin is run again when its token ended. */
const REREAD_MS = 30 * SECOND_MS;

/** Credentials that say when they end are asked for anew so long before that. */
const BEFORE_END_MS = 60 * SECOND_MS;

interface Session {
  readonly config: KubeConfig;
  readonly connection: Connection;
  readonly rereadAt: EpochMs;
  /** The kubeconfig itself is asked for anew then. */
  readonly endsAt: EpochMs;
}

/** The connections to each cluster, one set per version of its credentials. */
export interface Sessions {
  get(cluster: string): Promise<Connection>;
  /** The API server refused these: the next `get` starts from the kubeconfig again. */
  drop(cluster: string, refused: Connection): Promise<void>;
  /** The next `get` asks anew where the cluster is; running requests end on their connections. */
  forget(cluster: string): void;
  close(): void;
}

export interface SessionOptions {
  /** Where a cluster is and how to log in: asked at its first request, after a refused login, and when it says it ends. */
  resolve(cluster: string): ClusterAccess | Promise<ClusterAccess>;
  readonly clock: Clock;
  readonly log: Log;
  readonly timeoutMs: number;
}

export function sessions({ resolve, clock, log, timeoutMs }: SessionOptions): Sessions {
  const known = new Map<string, Promise<Session>>();

  const load = async (cluster: string, now: EpochMs): Promise<Pick<Session, "config" | "endsAt">> => {
    const access = await resolve(cluster);
    const endsAt = (access.expiresAt ?? Number.POSITIVE_INFINITY) - BEFORE_END_MS;
    // Never at once again: a token that is shorter than the margin would be asked for with each request.
    return { config: await loadKubeConfig(cluster, access), endsAt: Math.max(endsAt, now + REREAD_MS) };
  };

  const open = async (cluster: string, before?: Session): Promise<Session> => {
    const now = clock();
    const source = before && now < before.endsAt ? before : await load(cluster, now);
    const connection = await connect(cluster, source.config, timeoutMs, before?.connection);
    if (before && before.connection.tlsId !== connection.tlsId) before.connection.close();
    return { config: source.config, endsAt: source.endsAt, connection, rereadAt: now + REREAD_MS };
  };

  const first = (cluster: string): Promise<Session> => {
    const session = open(cluster);
    known.set(cluster, session);
    session.catch(() => known.get(cluster) === session && known.delete(cluster));
    return session;
  };

  /** What we have may still be good when it can't be read again: the API server has the last word. */
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
      // Of those who waited, one reads again and the others take what it gets.
      const next = known.get(cluster);
      return (await (next === undefined || next === current ? connectAnew(cluster, session) : next)).connection;
    },
    async drop(cluster, refused) {
      const current = known.get(cluster);
      const session = await current?.catch(() => undefined);
      if (session?.connection.headers !== refused.headers || known.get(cluster) !== current) return;
      known.delete(cluster);
      refused.close();
    },
    forget(cluster) {
      const session = known.get(cluster);
      known.delete(cluster);
      void session?.then(({ connection }) => connection.close()).catch(() => undefined);
    },
    close() {
      const all = [...known.values()];
      known.clear();
      for (const session of all) void session.then(({ connection }) => connection.close()).catch(() => undefined);
    },
  };
}
