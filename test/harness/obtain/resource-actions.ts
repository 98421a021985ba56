import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { obtainVenv } from "./venv.ts";

/** The IAM actions that CloudFormation needs for each operation on a resource type. */
export type ResourceActions = Readonly<Record<string, readonly string[]>>;

/** cfn-lint ships AWS's registry of resource types, with the permissions of their handlers. */
const READ = `
import json, os, sys, cfnlint
schemas = os.path.join(os.path.dirname(cfnlint.__file__), "data", "schemas")
with open(os.path.join(schemas, "providers", "eu-central-1.json")) as file:
    files = json.load(file)
def actions(type):
    with open(os.path.join(schemas, "resources", files[type] + ".json")) as file:
        handlers = json.load(file).get("handlers", {})
    return {name: handler.get("permissions", []) for name, handler in handlers.items()}
print(json.dumps({type: actions(type) for type in sys.argv[1:]}))
`;

/** By resource type and operation (create, read, update, delete). */
export async function resourceActions(types: readonly string[]): Promise<Readonly<Record<string, ResourceActions>>> {
  const { stdout } = await promisify(execFile)(await obtainVenv("cfn-lint"), ["-c", READ, ...types]);
  return JSON.parse(stdout) as Record<string, ResourceActions>;
}
