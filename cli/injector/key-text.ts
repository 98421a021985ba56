import { isMap, isNode, isScalar, isSeq, parseDocument, type YAMLMap, type YAMLSeq } from "yaml";

/**
 * The text of a fleet.yaml in which one cluster has this hash of a key before the ones that it has, all else unchanged:
 * spaces, comments, line ends. Undefined where the cluster, or its injector, is an alias, or nothing that can be
 * extended.
 */
export function withInjectorKey(text: string, cluster: string, hash: string): string | undefined {
  const map = clusterIn(text, cluster);
  if (map === undefined) return undefined;
  const key = JSON.stringify(hash);
  if (!map.has("injector")) return afterName(text, map, `injector: {keys: [${key}]}`);
  const injector = map.get("injector", true);
  if (!isMap(injector)) return undefined;
  const known = injector.get("keys", true);
  if (known === undefined) return atStart(text, injector, `keys: [${key}]`);
  if (!isSeq(known)) return undefined;
  return atStart(text, known, known.flow ? key : `- ${key}`);
}

function clusterIn(text: string, cluster: string): YAMLMap | undefined {
  const clusters = parseDocument(text).get("clusters");
  const found = isSeq(clusters)
    ? clusters.items.find((item) => isMap(item) && item.get("name") === cluster)
    : undefined;
  return isMap(found) ? found : undefined;
}

function atStart(text: string, { flow, range, items }: YAMLMap | YAMLSeq, item: string): string {
  const [at = 0] = range ?? [];
  if (!flow) return inserted(text, at, `${item}${lineBreak(text)}${indentAt(text, at)}`);
  return inserted(text, at + 1, items.length === 0 ? item : `${item}, `);
}

function afterName(text: string, map: YAMLMap, pair: string): string | undefined {
  const name = map.items.find(({ key }) => isScalar(key) && key.value === "name");
  const key = isNode(name?.key) ? name.key.range?.[0] : undefined;
  const end = isNode(name?.value) ? name.value.range?.[1] : undefined;
  if (key === undefined || end === undefined) return undefined;
  if (map.flow) return inserted(text, end, `, ${pair}`);
  // A comment may stand behind the name.
  const [rest = ""] = text.slice(end).split(/\r?\n/, 1);
  return inserted(text, end + rest.length, `${lineBreak(text)}${indentAt(text, key)}${pair}`);
}

function inserted(text: string, at: number, more: string): string {
  return text.slice(0, at) + more + text.slice(at);
}

function indentAt(text: string, at: number): string {
  return " ".repeat(at - (text.lastIndexOf("\n", at - 1) + 1));
}

function lineBreak(text: string): string {
  return text.includes("\r\n") ? "\r\n" : "\n";
}
