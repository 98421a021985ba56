import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { parse } from "yaml";
import { ROOT } from "../../docs/pages.ts";

interface Statement {
  readonly Sid: string;
  readonly Resource: string | readonly string[];
}
interface Role {
  readonly Properties: {
    readonly Policies: readonly [{ readonly PolicyDocument: { Statement: readonly Statement[] } }];
  };
}
interface Served {
  readonly role: string;
  readonly recursiveLoop?: string;
}

function yamlOf<T>(file: string): T {
  return parse(readFileSync(join(ROOT, file), "utf8"), { logLevel: "error", merge: true, maxAliasCount: -1 }) as T;
}

const roles = yamlOf<{ Resources: Record<string, Role> }>("infra/roles.yml").Resources;
const { functions } = yamlOf<{ functions: Record<string, Served> }>("serverless.yml");

function queuesOf(role: string, sid: "Take" | "HandOut"): readonly string[] {
  const statements = roles[role]?.Properties.Policies[0].PolicyDocument.Statement ?? [];
  return statements.filter(({ Sid }) => Sid === sid).flatMap(({ Resource }) => Resource);
}

// By default AWS stops a function that its own messages have invoked 16 times in a row, as a probe of a silent Vault does.
it("AWS does not stop a function that sends to a queue of its own", () => {
  const own = Object.entries(functions).filter(([, { role }]) => {
    const taken = queuesOf(role, "Take");
    return queuesOf(role, "HandOut").some((queue) => taken.includes(queue));
  });
  assert.deepEqual(
    own.map(([name, { recursiveLoop }]) => [name, recursiveLoop]),
    ["discover", "reconcile", "vaultAudit"].map((name) => [name, "Allow"]),
  );
});
