import type { Cluster } from "../../test/harness/index.ts";
import { type Figure, figure } from "../figures.ts";
import { type Setting, startSetting, sum, until } from "../setting.ts";
import { usageOf } from "../usage.ts";

const GOALS: Readonly<Record<number, Readonly<Record<string, string>>>> = {
  2000: { rate: ">= 250", cpu: "<= 2", api: "<= 4", vault: "1", rss: "<= 150" },
};
const TIMEOUT_MS = 300_000;

/** From the start of the process until every declared sync is in step. */
export async function cold(count: number): Promise<readonly Figure[]> {
  await using setting = await startSetting();
  await setting.declare(count, "1h");
  const before = await setting.cluster.metrics();
  const busyBefore = await cpuOfServers(setting);
  const startedAt = performance.now();
  await using engine = await setting.engine();
  // The log tells as well, and to ask for the metrics all the time would be a part of what is measured.
  const isWritten = ({ event }: { readonly event: string }): boolean => event === "secret-written";
  await until(`${count} syncs`, TIMEOUT_MS, async () => engine.logs.filter(isWritten).length >= count);
  const seconds = (performance.now() - startedAt) / 1_000;
  const usage = await usageOf(engine.child.pid ?? 0);
  const busyAfter = await cpuOfServers(setting);
  const metrics = await engine.metrics();
  const after = await setting.cluster.metrics();
  await mustBeComplete(setting.cluster, count);
  const name = `cold ${count}`;
  const goal = GOALS[count] ?? {};
  const kube = [...metrics.matchAll(/keyferry_kube_requests_total\{verb="(\w+)",resource="([\w/]+)"\} (\d+)/g)];
  const requests = kube.reduce((total, [, , , times]) => total + Number(times), 0);
  return [
    figure(name, "rate from start", count / seconds, "syncs/s", goal.rate),
    figure(name, "time", seconds, "s"),
    figure(name, "CPU per sync", usage.cpuMs / count, "ms", goal.cpu),
    ...busyAfter.map(([server, cpuMs], at) =>
      figure(name, `  CPU of ${server} meanwhile`, (cpuMs - (busyBefore[at]?.[1] ?? 0)) / count, "ms per sync"),
    ),
    figure(name, "peak RSS", usage.peakRssMiB, "MiB", goal.rss),
    figure(name, "API requests per sync, sent", requests / count, "", goal.api),
    figure(
      name,
      "Secret writes per sync, by the API server's counters",
      (after.count({ verb: "APPLY", resource: "secrets" }) - before.count({ verb: "APPLY", resource: "secrets" })) /
        count,
      "",
    ),
    ...kube
      .filter(([, , , times]) => Number(times) >= count / 10)
      .map(([, verb, resource, times]) => figure(name, `  ${verb} ${resource}`, Number(times) / count, "per sync")),
    figure(name, "Vault reads per sync", sum(metrics, "keyferry_vault_reads_total") / count, "", goal.vault),
    figure(name, "Vault logins", sum(metrics, "keyferry_vault_logins_total"), ""),
  ];
}

/** Everything runs on the same cores: what the servers use is what bounds the rate. */
async function cpuOfServers({ cluster, world }: Setting): Promise<readonly (readonly [string, number])[]> {
  const { api, etcd, controllers } = cluster.servers;
  const servers = { "kube-apiserver": api, etcd, "kube-controller-manager": controllers, OpenBao: world.vault.server };
  const found = Object.entries(servers).map(async ([name, server]) => {
    const { cpuMs } = await usageOf(server.pid() ?? 0);
    return [name, cpuMs] as const;
  });
  return Promise.all(found);
}

async function mustBeComplete(cluster: Cluster, count: number): Promise<void> {
  const { body } = await cluster.request<{ items: unknown[] }>("GET", "/api/v1/namespaces/bench/secrets");
  if (body.items.length < count) throw new Error(`${body.items.length} of ${count} Secrets were written`);
}
