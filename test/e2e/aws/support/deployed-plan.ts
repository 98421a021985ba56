import type { Ran } from "../../support/engine.ts";
import type { Deployed } from "./deployed.ts";

/** A plan of the deployed stack, made outside. */
export interface DeployedPlan extends Pick<Ran, "code" | "stderr"> {
  readonly clusters: readonly { readonly name: string; readonly errors: readonly { readonly code: string }[] }[];
  readonly departed: readonly string[];
  readonly summary: Readonly<Record<string, number>>;
}

export async function deployedPlan(deployed: Deployed, ...args: readonly string[]): Promise<DeployedPlan> {
  const { code, stdout, stderr } = await deployed.keyferry("plan", ...args, "-o", "json");
  if (!stdout.startsWith("{")) throw new Error(`plan ended with ${code}: ${stderr}`);
  return { ...(JSON.parse(stdout) as Omit<DeployedPlan, "code" | "stderr">), code, stderr };
}
