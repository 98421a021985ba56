import { setTimeout as sleep } from "node:timers/promises";
import { type Figure, figure } from "../figures.ts";
import { startSetting, sum, until } from "../setting.ts";
import { usageOf } from "../usage.ts";

const COUNT = 500;

/** Refreshes that find nothing new: what does it cost that nothing changes? */
export async function refresh(minutes: number): Promise<readonly Figure[]> {
  await using setting = await startSetting();
  await setting.declare(COUNT, "30s");
  await using engine = await setting.engine();
  const pid = engine.child.pid ?? 0;
  const settled = async () => sum(await engine.metrics(), "keyferry_syncs_total", { result: "settled" });
  await until("the first syncs", 120_000, async () => (await settled()) >= COUNT);
  await sleep(5_000);
  const [then, usedThen] = [await engine.metrics(), await usageOf(pid)];
  await sleep(minutes * 60_000);
  const [now, usedNow] = [await engine.metrics(), await usageOf(pid)];
  const moved = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    sum(now, name, labels) - sum(then, name, labels);
  const refreshes = moved("keyferry_syncs_total", { result: "unchanged" });
  const store = (operation: string) => moved("keyferry_store_operations_total", { operation });
  const ofOthers = store("moveDispatched") + store("claimCluster") + store("saveCluster");
  const kube = (verb: string, resource: string) => moved("keyferry_kube_requests_total", { verb, resource });
  const passes = kube("watch", "") + kube("list", "");
  const name = "unchanged";
  return [
    figure(name, "refreshes", refreshes, ""),
    figure(name, "CPU per refresh, everything included", (usedNow.cpuMs - usedThen.cpuMs) / refreshes, "ms", "<= 0.8"),
    figure(name, "Vault reads per refresh", moved("keyferry_vault_reads_total") / refreshes, "", "1"),
    figure(
      name,
      "API requests about Secrets and declarations",
      kube("get", "secrets") + kube("patch", "secrets") + kube("patch", "vaultstaticsecrets/status"),
      "",
      "0",
    ),
    figure(name, "API requests of watch passes, per minute", passes / minutes, ""),
    figure(name, "store writes of refreshes", store("writes") - ofOthers, "", "0"),
    figure(
      name,
      "store operations per refresh",
      [...operations(now)].reduce((all, name_) => all + (name_ === "writes" ? 0 : store(name_)), 0) / refreshes,
      "",
    ),
    figure(name, "RSS", usedNow.rssMiB, "MiB"),
  ];
}

function operations(metrics: string): ReadonlySet<string> {
  return new Set(
    [...metrics.matchAll(/keyferry_store_operations_total\{operation="(\w+)"\}/g)].map(([, name = ""]) => name),
  );
}
