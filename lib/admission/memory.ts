/** Memory of requests under way, shared so that one cluster cannot take that of others. */
export interface Memory {
  /** For one request of a cluster. */
  share(cluster: string): Share;
}

/** What one request takes. */
export interface Share {
  /** False: there is no room for so many bytes more, or the request is over. */
  take(bytes: number): boolean;
  /** From now on it takes these bytes in place of all others. False: they are more than before, and there is no room. */
  become(bytes: number): boolean;
  /** The request is over. */
  release(): void;
}

/** In bytes. */
export interface MemoryLimits {
  readonly ofCluster: number;
  /** Beyond it, a cluster has `atLeast` for itself. */
  readonly inAll: number;
  readonly atLeast: number;
}

/** A cluster gets no more than what is still free for others, and always what usual requests need. */
export function memory({ ofCluster, inAll, atLeast }: MemoryLimits): Memory {
  const taken = new Map<string, number>();
  let all = 0;
  const add = (cluster: string, bytes: number): void => {
    const next = (taken.get(cluster) ?? 0) + bytes;
    if (next === 0) taken.delete(cluster);
    else taken.set(cluster, next);
    all += bytes;
  };
  return {
    share(cluster) {
      let own = 0;
      let isOver = false;
      const take = (bytes: number): boolean => {
        const next = (taken.get(cluster) ?? 0) + bytes;
        // What gives back always may: others must not be able to stop it.
        if (isOver || (bytes > 0 && next > Math.max(atLeast, Math.min(ofCluster, inAll - all)))) return false;
        own += bytes;
        add(cluster, bytes);
        return true;
      };
      return {
        take,
        become: (bytes) => take(bytes - own),
        release() {
          if (!isOver) add(cluster, -own);
          isOver = true;
        },
      };
    },
  };
}
