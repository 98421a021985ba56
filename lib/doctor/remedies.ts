import { stringify } from "yaml";
import type { Remedy } from "./finding.ts";

/** YAML for `kubectl apply -f -`. Each line of `reasons` becomes a comment. */
export function manifest(objects: readonly object[], reasons: readonly string[] = []): Remedy {
  const documents = objects.map((object) => stringify(object, { lineWidth: 120, aliasDuplicateObjects: false }));
  return { kind: "manifest", text: [...comments(reasons), documents.join("---\n").trimEnd()].join("\n") };
}

/** Lines for a shell. Arguments that others have chosen must go through `shellWord`. */
export function commands(lines: readonly string[], reasons: readonly string[] = []): Remedy {
  return { kind: "commands", text: [...comments(reasons), ...lines].join("\n") };
}

/** Members of fleet.yaml; `vaults` and `clusters` have the entries of these names. */
export function fleetChange(change: object): Remedy {
  return { kind: "fleet", text: stringify(change, { lineWidth: 120 }).trimEnd() };
}

export function advice(text: string): Remedy {
  return { kind: "advice", text };
}

/** Line ends in a comment would leave it. */
function comments(reasons: readonly string[]): readonly string[] {
  return reasons.map((reason) => `# ${reason.replaceAll(/\s+/g, " ")}`);
}

const LISTED = 3;

/** `a, b, c and 4 more`. */
export function some(names: readonly string[]): string {
  const left = names.length - LISTED;
  return left > 0 ? `${names.slice(0, LISTED).join(", ")} and ${left} more` : names.join(", ");
}
