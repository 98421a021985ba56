import { readFile } from "node:fs/promises";

/** What a line of the audit log says that tests ask for; values are hashed by the server. */
export interface AuditLine {
  readonly type: "request" | "response";
  readonly time: string;
  readonly error?: string;
  readonly auth?: { readonly display_name?: string; readonly accessor?: string };
  readonly request: {
    readonly id: string;
    readonly operation: string;
    readonly path: string;
    readonly namespace?: { readonly id: string; readonly path?: string };
  };
}

export async function readAuditLines(path: string): Promise<AuditLine[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return (
    text
      .split("\n")
      // What has no end yet is half written, also where it happens to look like a whole line.
      .slice(0, -1)
      .filter((line) => line.startsWith("{") && line.endsWith("}"))
      .map((line) => JSON.parse(line) as AuditLine)
  );
}

/** How often each operation was answered, by `<operation> <path>`, e.g. `read secret/data/app`. Answers, so that each counts once. */
export function countAnswers(lines: readonly AuditLine[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { type, request } of lines) {
    const key = `${request.operation} ${request.path}`;
    if (type === "response") counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}
