import type { Finding, Remedy, Severity } from "../lib/doctor/finding.ts";
import { printable } from "../lib/util/printable.ts";

const SIGNS: Readonly<Record<Severity, string>> = { error: "✖", warning: "!", info: "·" };

const HOW: Readonly<Record<Remedy["kind"], string>> = {
  manifest: "mend it with kubectl apply -f -",
  commands: "mend it with these commands",
  fleet: "set in fleet.yaml",
  advice: "mend it",
};

/** For people: each finding with why it matters and what mends it. */
export function doctorText(findings: readonly Finding[], clusters: number): string {
  const count = (severity: Severity) => findings.filter((one) => one.severity === severity).length;
  const summary = `${clusters} ${clusters === 1 ? "cluster" : "clusters"}: ${count("error")} errors, ${count("warning")} warnings\n`;
  return `${findings.map(findingText).join("\n")}${findings.length > 0 ? "\n" : ""}${summary}`;
}

function findingText({ code, severity, cluster, where, what, why, remedy }: Finding): string {
  const head = `${SIGNS[severity]} ${severity} ${code}  ${cluster === undefined ? "" : `${cluster}: `}${where}`;
  const lines = [head, `  ${what}`, `  ${why}`].map((line) => printable(line, MAX_LINE));
  if (severity === "info" && remedy === undefined) return `${lines.slice(0, 2).join("\n")}\n`;
  return `${lines.join("\n")}\n${remedy === undefined ? "" : remedyText(remedy)}`;
}

/** A message names several resources. */
const MAX_LINE = 4_096;

/** Without indentation, so that it can be copied. */
function remedyText({ kind, text }: Remedy): string {
  if (kind === "advice") return `  ${HOW.advice}: ${printable(text, MAX_LINE)}\n`;
  return `  ${HOW[kind]}:\n\n${remedyLines(text)}\n`;
}

/** A line end in it is ours; any other control character would be one of a name. */
function remedyLines(text: string): string {
  return text
    .split("\n")
    .map((line) => `${printable(line, Number.MAX_SAFE_INTEGER)}\n`)
    .join("");
}

/** What mends the errors and warnings of one kind, to be piped: `kubectl apply -f -`, or a shell. */
export function mendText(findings: readonly Finding[], kind: Remedy["kind"]): string {
  const chosen = findings.filter(({ severity, remedy }) => severity !== "info" && remedy?.kind === kind);
  const texts = [...new Set(chosen.map(({ remedy }) => remedy?.text ?? ""))];
  return texts.map(remedyLines).join(kind === "manifest" ? "---\n" : "\n");
}

/** For scripts. */
export function doctorView(findings: readonly Finding[], clusters: readonly string[]): object {
  return { clusters, findings, exitCode: exitCodeOf(findings) };
}

export function exitCodeOf(findings: readonly Finding[]): number {
  return findings.some(({ severity }) => severity === "error") ? 1 : 0;
}
