import { namesOfOneVault } from "../../nudging/same-vault.ts";
import type { DoctorDeps } from "../context.ts";
import { type Finding, finding } from "../finding.ts";
import { advice } from "../remedies.ts";

/** Names under `vaults` in fleet.yaml that lead to one Vault. */
export async function nameFindings(
  { vaults, examiner, ca }: Pick<DoctorDeps, "vaults" | "examiner" | "ca">,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const found = await namesOfOneVault(
    vaults,
    async (target) => (await examiner.health(await ca.resolve(target, signal), signal)).clusterId,
  );
  return found.map((names) =>
    finding("VAULT_NAMED_TWICE", {
      where: `vaults ${names.join(", ")} in fleet.yaml`,
      what: "they answer with the same cluster_id, and so are one Vault",
      remedy: advice("Give this Vault one name under vaults in fleet.yaml, with all its addresses."),
    }),
  );
}
