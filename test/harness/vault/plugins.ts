import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, link } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { obtain } from "../obtain/obtain.ts";
import { pluginFolder, type VaultPlan } from "./config-file.ts";
import type { VaultClient } from "./vault-client.ts";

/** Entries of Vault's catalog, `<type>/<name>`, and what we build for each. */
const BINARIES = {
  "auth/kubernetes": "vault-plugin-auth-kubernetes",
  "auth/aws": "vault-plugin-auth-aws",
  "database/postgresql-database-plugin": "vault-plugin-database-postgresql",
  "secret/kubernetes": "vault-plugin-secrets-kubernetes",
} as const;

/** HashiCorp's release binaries bring these plugins, OpenBao's most of them; a Vault built with the tag `minimal` needs them beside it. */
export async function ensurePlugin(client: VaultClient, plan: VaultPlan, plugin: keyof typeof BINARIES): Promise<void> {
  const entry = `sys/plugins/catalog/${plugin}`;
  const known = await client.request("GET", entry);
  if (known.status === 200) return;
  const command = BINARIES[plugin];
  const binary = await obtain(command);
  const path = join(pluginFolder(plan), command);
  // Vault runs only what lies in its plugin folder itself, so no symbolic link; another file system takes a copy.
  await link(binary, path).catch(() => copyFile(binary, path));
  const sha256 = createHash("sha256");
  await pipeline(createReadStream(path), sha256);
  await client.write(entry, { sha256: sha256.digest("hex"), command });
}
