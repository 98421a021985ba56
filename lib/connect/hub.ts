import type { Clock } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { HubWay } from "../fleet/connect-schema.ts";
import { type EksLogin, type HubAccess, type HubLogin, invalid } from "../hubs/objects/login.ts";
import { type Shape, shapeAt, shapesAt, textAt } from "../kubernetes/shapes.ts";
import type { ClusterAccess } from "../ports/cluster-access.ts";
import type { AccessFor } from "./access-for.ts";
import { goodFor } from "./good-for.ts";
import { type HubCopy, isHubAway } from "./hub-copies.ts";
import { kubeconfigText } from "./kubeconfig-text.ts";
import type { ConnectDeps, HubObjects, Way } from "./way.ts";
import { yamlMap } from "./yaml-map.ts";

/**
 * A cluster of a hub: each connection reads the object in the hub. While the hub is away, a sealed copy of what it last
 * said counts.
 */
export const hub: Way<HubWay> = async (way, deps, asked) => {
  const { access, user = {} } = await saidBy(way, deps, asked);
  const { login } = access;
  const found =
    login.kind === "eks"
      ? await ofEks(login, access, deps, asked)
      : ofUser(access, login.kind === "user" ? login.user : user, deps.clock);
  return way.uid === undefined ? found : { ...found, identity: way.uid };
};

async function saidBy(way: HubWay, { hubs, copies }: ConnectDeps, { cluster, isRefused }: AccessFor): Promise<HubCopy> {
  if (hubs === undefined) throw new SyncError("REFERENCE_INVALID", `hub ${way.hub} is not in fleet.yaml: add it there`);
  try {
    const access = await hubs.access(way.hub, way.object);
    const { login } = access;
    const copy = { access, ...(login.kind === "secret" ? { user: await userOfSecret(hubs, way, login) } : {}) };
    await copies?.keep(cluster, way, copy);
    return copy;
  } catch (error) {
    if (isRefused) copies?.refuse(cluster);
    if (isRefused || !isHubAway(error)) throw error;
    const copy = await copies?.find(cluster, way);
    if (copy === undefined) throw error;
    return copy;
  }
}

function ofUser({ server, cluster }: HubAccess, user: Readonly<Record<string, string>>, clock: Clock): ClusterAccess {
  return { kubeConfig: { text: kubeconfigText({ server, ...cluster }, user) }, ...goodFor(clock) };
}

/**
 * By keyferry's own AWS identity. AWS says where the cluster is: an object that names another server would get a token
 * that is good for the cluster.
 */
async function ofEks(
  { cluster, region, roleArn }: EksLogin,
  access: HubAccess,
  deps: ConnectDeps,
  asked: AccessFor,
): Promise<ClusterAccess> {
  const proxyUrl = access.cluster["proxy-url"];
  const way = {
    ...{ cluster, region },
    ...(roleArn === undefined ? {} : { roleArn }),
    ...(typeof proxyUrl === "string" ? { proxyUrl } : {}),
  };
  return (await import("./eks.ts")).eks(way, deps, asked);
}

type SecretLogin = Extract<HubLogin, { kind: "secret" }>;

async function userOfSecret(
  hubs: HubObjects,
  { hub: name, object }: HubWay,
  login: SecretLogin,
): Promise<Readonly<Record<string, string>>> {
  const value = await hubs.secretKey(name, login, login.key);
  return login.holds === "token" ? { token: value.trim() } : userOfKubeconfig(value, login, object);
}

/** Its user's own credentials alone: keyferry reads no files and runs no programs that a hub names. */
const CREDENTIALS = ["token", "client-certificate-data", "client-key-data"] as const;

function userOfKubeconfig(text: string, { context }: SecretLogin, object: string): Readonly<Record<string, string>> {
  const config = yamlMap(text);
  if (config === undefined) throw invalid(object, "has a kubeconfig that is no YAML map: correct it");
  const chosen = context ?? textAt(config, "current-context");
  const named = (list: string, name: string | undefined): Shape =>
    shapesAt(config, list).find((one) => textAt(one, "name") === name) ?? {};
  const user = shapeAt(named("users", textAt(shapeAt(named("contexts", chosen), "context"), "user")), "user");
  const found = CREDENTIALS.flatMap((name): [string, string][] => {
    const value = textAt(user, name);
    return value === undefined ? [] : [[name, value]];
  });
  if (found.length > 0) return Object.fromEntries(found);
  throw invalid(object, "has a kubeconfig whose user has no token and no client-certificate-data: add one of both");
}
