/** Names that vault-k8s gives to its containers, which the mutated pods have, too. */
const INIT = "vault-agent-init";
const SIDECAR = "vault-agent";

/** The label of vault-k8s's own counter; undefined: no container was added. */
export function injectionType(body: unknown): "init_and_sidecar" | "init_only" | "sidecar_only" | undefined {
  const { response } = (body ?? {}) as { readonly response?: { readonly patch?: unknown } };
  if (typeof response?.patch !== "string") return undefined;
  const names = namesIn(Buffer.from(response.patch, "base64").toString("utf8"));
  if (names.has(INIT)) return names.has(SIDECAR) ? "init_and_sidecar" : "init_only";
  return names.has(SIDECAR) ? "sidecar_only" : undefined;
}

/** The names of all containers that the patch adds: at the end of a list, or with a list of their own. */
function namesIn(patch: string): ReadonlySet<unknown> {
  const operations = JSON.parse(patch) as readonly { readonly path: string; readonly value?: unknown }[];
  const added = operations.filter(({ path }) => /^\/spec\/(initContainers|containers)(\/[-0-9]+)?$/.test(path));
  return new Set(added.flatMap(({ value }) => value).map((one) => (one as { readonly name?: unknown } | null)?.name));
}
