import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, link } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { obtain } from "../obtain/obtain.ts";
import { pluginFolder, type VaultPlan } from "./config-file.ts";
import type { VaultClient } from "./vault-client.ts";

const BINARY = "vault-plugin-auth-kubernetes";

/** HashiCorp's release binaries bring the Kubernetes login; one built with the tag `minimal` needs it beside it. */
export async function ensureKubernetesPlugin(client: VaultClient, plan: VaultPlan): Promise<void> {
  const known = await client.request("GET", "sys/plugins/catalog/auth/kubernetes");
  if (known.status === 200) return;
  const binary = await obtain(BINARY);
  const path = join(pluginFolder(plan), BINARY);
  // Vault runs only what lies in its plugin folder itself, so no symbolic link; another file system takes a copy.
  await link(binary, path).catch(() => copyFile(binary, path));
  const sha256 = createHash("sha256");
  await pipeline(createReadStream(path), sha256);
  await client.write("sys/plugins/catalog/auth/kubernetes", { sha256: sha256.digest("hex"), command: BINARY });
}
