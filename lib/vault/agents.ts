import type { Dispatcher } from "undici";

/** How a request leaves: to a Vault in fleet.yaml, to any other host, or through the proxy with this URL. */
export type Leaving = "named" | "checked" | { readonly proxy: string };

/** Pools of connections with the same TLS settings, one for each way that requests leave. */
export interface Agents {
  by(leaving: Leaving): Dispatcher;
  /** Running requests end first. */
  close(): Promise<void>;
  destroy(): Promise<void>;
}

export interface AgentMakers {
  readonly named: () => Dispatcher;
  /** Checks the IP addresses of hosts on connect. */
  readonly checked: () => Dispatcher;
  readonly behind: (proxy: string) => Dispatcher;
}

/** Makes each pool for its first request. The pool of another proxy replaces that of a former one. */
export function agentsOf(makers: AgentMakers): Agents {
  const direct = new Map<"named" | "checked", Dispatcher>();
  let behind: { readonly proxy: string; readonly agent: Dispatcher } | undefined;
  const all = (): readonly Dispatcher[] => [...direct.values(), ...(behind === undefined ? [] : [behind.agent])];
  return {
    by(leaving) {
      if (typeof leaving === "string") {
        const agent = direct.get(leaving) ?? makers[leaving]();
        direct.set(leaving, agent);
        return agent;
      }
      if (behind?.proxy !== leaving.proxy) {
        behind?.agent.close().catch(() => {});
        behind = { proxy: leaving.proxy, agent: makers.behind(leaving.proxy) };
      }
      return behind.agent;
    },
    close: async () => void (await Promise.all(all().map((agent) => agent.close()))),
    destroy: async () => void (await Promise.all(all().map((agent) => agent.destroy()))),
  };
}
