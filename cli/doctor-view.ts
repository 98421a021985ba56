import type { Finding, Remedy, Severity } from "../lib/doctor/finding.ts";
import { printable } from "../lib/util/printable.ts";
import { kubectl } from "../lib/util/shell.ts";

const SIGNS: Readonly<Record<Severity, string>> = { error: "✖", warning: "!", info: "·" };

const HOW: Readonly<Record<Exclude<Remedy["kind"], "manifest">, string>> = {
  commands: "mend it with these commands",
  fleet: "set in fleet.yaml",
  advice: "mend it",
};

/** For people: each finding with why it matters and what mends it. `context`: of kubectl; missing: the current one. */
export function doctorText(findings: readonly Finding[], clusters: number, context?: string): string {
  const count = (severity: Severity) => findings.filter((one) => one.severity === severity).length;
  const summary = `${clusters} ${clusters === 1 ? "cluster" : "clusters"}: ${count("error")} errors, ${count("warning")} warnings\n`;
  return `${findings.map((one) => findingText(one, context)).join("\n")}${findings.length > 0 ? "\n" : ""}${summary}`;
}

function findingText(
  { code, severity, cluster, where, what, why, remedy }: Finding,
  context: string | undefined,
): string {
  const head = `${SIGNS[severity]} ${severity} ${code}  ${cluster === undefined ? "" : `${cluster}: `}${where}`;
  const lines = [head, `  ${what}`, `  ${why}`].map((line) => printable(line, MAX_LINE));
  if (severity === "info" && remedy === undefined) return `${lines.slice(0, 2).join("\n")}\n`;
  return `${lines.join("\n")}\n${remedy === undefined ? "" : remedyText(remedy, context)}`;
}

/** A message names several resources. */
const MAX_LINE = 4_096;

/** Without indentation, so that it can be copied. */
function remedyText({ kind, text }: Remedy, context: string | undefined): string {
  if (kind === "advice") return `  ${HOW.advice}: ${printable(text, MAX_LINE)}\n`;
  const how = kind === "manifest" ? `mend it with ${printable(kubectl(context, "apply -f -"), MAX_LINE)}` : HOW[kind];
  return `  ${how}:\n\n${remedyLines(text)}\n`;
}

/** A line end in it is ours; any other control character would be one of a name. */
function remedyLines(text: string): string {
  return text
    .split("\n")
    .map((line) => `${printable(line, Number.MAX_SAFE_INTEGER)}\n`)
    .join("");
}

/** What the text of --mend is for. */
export interface MendedPlace {
  /** Missing: nothing of it is for a cluster. */
  readonly cluster?: string;
  /** Of kubectl; missing: the current one. */
  readonly context?: string;
}

/**
 * What mends the errors and warnings of one kind, to be piped: `kubectl apply -f -`, or a shell. A comment at its
 * beginning says which cluster it is for, so that nobody runs it in another one.
 */
export function mendText(findings: readonly Finding[], kind: Remedy["kind"], place: MendedPlace): string {
  const chosen = findings.filter(({ severity, remedy }) => severity !== "info" && remedy?.kind === kind);
  const texts = [...new Set(chosen.map(({ remedy }) => remedy?.text ?? ""))];
  const head = texts.length === 0 ? "" : placeLine(kind, place);
  return `${head}${texts.map(remedyLines).join(kind === "manifest" ? "---\n" : "\n")}`;
}

function placeLine(kind: Remedy["kind"], { cluster, context }: MendedPlace): string {
  if (cluster === undefined || (kind !== "manifest" && kind !== "commands")) return "";
  const unless = "current context unless --context is given";
  const how =
    kind === "manifest"
      ? context === undefined
        ? `kubectl apply uses its ${unless}`
        : `for ${kubectl(context, "apply -f -")}`
      : `commands use kubectl's ${context === undefined ? unless : `context ${context}`}`;
  return `# ${printable(`cluster ${cluster} (${how})`.replaceAll(/\s+/g, " "), MAX_LINE)}\n`;
}

/** For scripts. */
export function doctorView(findings: readonly Finding[], clusters: readonly string[]): object {
  return { clusters, findings, exitCode: exitCodeOf(findings) };
}

export function exitCodeOf(findings: readonly Finding[]): number {
  return findings.some(({ severity }) => severity === "error") ? 1 : 0;
}
