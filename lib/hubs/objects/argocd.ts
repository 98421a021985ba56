import { isShape, type Shape, shapeAt, shapesAt, textAt } from "../../kubernetes/shapes.ts";
import { jsonExcess } from "../../util/json-bounds.ts";
import { eksLogin, loginOfCommand, profile } from "./exec-commands.ts";
import { type HubAccess, type HubLogin, invalid, pemOf, proxyOf, serverOf, tlsOf } from "./login.ts";

/** The keys of a cluster Secret of Argo CD, decoded. */
export type ClusterSecret = Readonly<Record<string, string>>;

/** As large as any credentials; more is no cluster Secret. */
const MAX_BYTES = 256 * 1_024;
const BOUNDS = { depth: 20, values: 5_000 };

/** Argo CD's name for the cluster that it runs in. */
const IN_CLUSTER = /^https:\/\/kubernetes\.default(\.svc(\.cluster\.local)?)?$/;

/** How Argo CD reaches the cluster of this Secret. Throws REFERENCE_INVALID or UNSUPPORTED. */
export function accessOfSecret(secret: ClusterSecret, object: string): HubAccess {
  const server = serverOf(secret.server, object);
  const config = configOf(secret.config, object);
  const tls = shapeAt(config, "tlsClientConfig");
  const login = loginOf(config, tls, server, object);
  if (login === undefined) throw noLogin(server, object);
  const cluster = {
    ...tlsOf(
      { caData: textAt(tls, "caData"), serverName: textAt(tls, "serverName"), insecure: tls.insecure === true },
      object,
    ),
    ...proxyOf(textAt(config, "proxyUrl"), object),
  };
  return { server, cluster, login };
}

/** The namespaces to which Argo CD restricts itself; empty: all. */
export function namespacesOf(secret: ClusterSecret): readonly string[] {
  return (secret.namespaces ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

function configOf(text: string | undefined, object: string): Shape {
  if (text === undefined || text === "") return {};
  const bytes = Buffer.from(text);
  const excess = bytes.length > MAX_BYTES ? "is too large" : jsonExcess(bytes, BOUNDS);
  if (excess !== undefined) throw invalid(object, "has a config that is too large: remove what no cluster needs");
  try {
    const config: unknown = JSON.parse(text);
    if (isShape(config)) return config;
  } catch {
    // Its text could quote the credentials.
  }
  throw invalid(object, "has a config that is no JSON object: correct it");
}

/** In Argo CD's order. */
function loginOf(config: Shape, tls: Shape, server: string, object: string): HubLogin | undefined {
  const { awsAuthConfig, execProviderConfig } = config;
  if (isShape(awsAuthConfig)) {
    if (textAt(awsAuthConfig, "profile")) throw profile(object);
    const cluster = textAt(awsAuthConfig, "clusterName");
    return eksLogin({ cluster, region: undefined, roleArn: textAt(awsAuthConfig, "roleARN"), server }, object);
  }
  if (isShape(execProviderConfig)) return loginOfCommand(execOf(execProviderConfig), server, object);
  const user = {
    ...present("token", textAt(config, "bearerToken")),
    ...present("username", textAt(config, "username")),
    ...present("password", textAt(config, "password")),
    ...certificate(tls, object),
  };
  return Object.keys(user).length === 0 ? undefined : { kind: "user", user };
}

function execOf(exec: Shape) {
  const args = Array.isArray(exec.args) ? exec.args.filter((arg) => typeof arg === "string") : [];
  const env = Object.entries(shapeAt(exec, "env")).map(([name, value]) => ({ name, value: String(value) }));
  const pairs = shapesAt(exec, "env").map((pair) => ({
    name: textAt(pair, "name") ?? "",
    value: textAt(pair, "value") ?? "",
  }));
  return { command: textAt(exec, "command") ?? "", args, env: [...env, ...pairs] };
}

function certificate(tls: Shape, object: string): Readonly<Record<string, string>> {
  const cert = pemOf(textAt(tls, "certData"), { object, field: "certData" });
  const key = pemOf(textAt(tls, "keyData"), { object, field: "keyData" });
  if ((cert === undefined) !== (key === undefined)) {
    throw invalid(object, "has only one of certData and keyData: add the other one");
  }
  return cert === undefined || key === undefined ? {} : { "client-certificate-data": cert, "client-key-data": key };
}

function present(name: string, value: string | undefined): Readonly<Record<string, string>> {
  return value === undefined || value === "" ? {} : { [name]: value };
}

function noLogin(server: string, object: string): Error {
  if (IN_CLUSTER.test(server)) {
    return invalid(object, "is the hub cluster itself, with the pod's own account: name it in clusters of fleet.yaml");
  }
  return invalid(object, "has no credentials: add a bearerToken or a client certificate");
}
