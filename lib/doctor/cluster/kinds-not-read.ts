import { shapeAt, shapesAt, textAt } from "../../kubernetes/shapes.ts";
import { apiVersionOf, VAULT_STATIC_SECRET } from "../../resource-kinds.ts";
import type { Check, Reached } from "../context.ts";
import { type Finding, finding } from "../finding.ts";
import { advice, some } from "../remedies.ts";
import { jsonOf, rawGet } from "./reach.ts";

/** Kinds of Vault Secrets Operator that keyferry does not read, by their resource. */
const NOT_READ = new Map([
  ["csisecrets", "CSISecrets"],
  ["hcpauths", "HCPAuth"],
  ["hcpvaultsecretsapps", "HCPVaultSecretsApp"],
]);
const PATH = `/apis/${apiVersionOf(VAULT_STATIC_SECRET)}`;
/** Only examples are named. */
const LISTED = 10;

/** keyferry has no rights for these kinds, so it can only look for them if somebody granted that. */
export const kindsNotRead: Check<Reached> = {
  subject: "kinds that are not read",
  async find(reached) {
    const { connection, signal } = reached;
    const served = shapesAt(jsonOf(await rawGet(connection, PATH, signal)), "resources");
    const names = served.map((resource) => textAt(resource, "name")).filter((name) => NOT_READ.has(name ?? ""));
    return (await Promise.all(names.map((name) => look(reached, name ?? "")))).flat();
  },
};

async function look({ connection, settings, signal }: Reached, resource: string): Promise<readonly Finding[]> {
  const kind = NOT_READ.get(resource) ?? resource;
  const answer = await rawGet(connection, `${PATH}/${resource}?limit=${LISTED}`, signal);
  const about = { cluster: settings.name, where: kind };
  if (answer.statusCode !== 200) {
    const what = `the cluster serves ${kind}, and keyferry may not list it: HTTP ${answer.statusCode}`;
    return [finding("KIND_NOT_CHECKED", { ...about, what })];
  }
  const found = shapesAt(jsonOf(answer), "items").map((item) => {
    const metadata = shapeAt(item, "metadata");
    return `${textAt(metadata, "namespace")}/${textAt(metadata, "name")}`;
  });
  if (found.length === 0) return [];
  const remedy = advice(`Keep Vault Secrets Operator for them, or declare a VaultStaticSecret or VaultDynamicSecret`);
  return [finding("KIND_NOT_READ", { ...about, what: `there are resources of this kind: ${some(found)}`, remedy })];
}
