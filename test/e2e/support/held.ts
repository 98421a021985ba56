import type { Vault } from "../../harness/index.ts";

/** The fields at a path of kv, by their path in Vault's API; undefined: nothing can be read there. */
export async function heldAt(vault: Pick<Vault, "request">, path: string): Promise<unknown> {
  const { status, body } = await vault.request("GET", path);
  if (status !== 200) return undefined;
  const { data } = body as { data: { data?: unknown } };
  return path.startsWith("kv1/") ? data : data.data;
}
