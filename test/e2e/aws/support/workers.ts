import { readdir, readFile } from "node:fs/promises";
import type { Vault } from "../../../harness/vault/vault.ts";
import { type Deployed, STACK } from "./deployed.ts";

/** How often anyone logged in to this Vault. */
export async function loginsTo(vault: Vault): Promise<number> {
  const asked = [...(await vault.auditedReads())];
  const all = asked.filter(([what]) => /^update auth\/.*\/login$/.test(what)).map(([, times]) => times);
  return all.reduce((sum, times) => sum + times, 0);
}

/** All that the functions printed and traced. */
export async function printedBy(deployed: Deployed): Promise<string> {
  const all = await Promise.all(
    (["tick", "discover", "reconcile"] as const).map((name) => deployed.account.logs(`${STACK}-${name}`)),
  );
  return JSON.stringify([all, deployed.traced]);
}

/** SIGKILL to the processes that run a function, as AWS ends one that runs out of memory. */
export async function killWorkers({ aws }: Deployed, name: string): Promise<number> {
  const pids = (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry)).map(Number);
  let killed = 0;
  for (const pid of pids) {
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (!command.includes(`${aws.folder}/ministack-lambda-${STACK}-${name}`)) continue;
    try {
      process.kill(pid, "SIGKILL");
      killed++;
    } catch {
      // It has ended since we looked.
    }
  }
  return killed;
}
