import { answerOf, onceAwsAnswers } from "../../support/answers.ts";
import type { Ran } from "../../support/engine.ts";
import type { Deployed } from "./deployed.ts";

/** A plan of the deployed stack, made outside. */
export interface DeployedPlan extends Pick<Ran, "code" | "stderr"> {
  readonly clusters: readonly { readonly name: string; readonly errors: readonly { readonly code: string }[] }[];
  readonly departed: readonly string[];
  readonly summary: Readonly<Record<string, number>>;
}

type Printed = Omit<DeployedPlan, "code" | "stderr">;

/** Asked again while DynamoDB's stand-in is too busy to answer. */
export function deployedPlan(deployed: Deployed, ...args: readonly string[]): Promise<DeployedPlan> {
  return onceAwsAnswers("plan", async () => {
    const ran = await deployed.keyferry("plan", ...args, "-o", "json");
    return { ...answerOf<Printed>("plan", ran), code: ran.code, stderr: ran.stderr };
  });
}
