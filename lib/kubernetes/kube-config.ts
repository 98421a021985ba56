import { dirname, isAbsolute, join } from "node:path";
import type { KubeConfig, User } from "@kubernetes/client-node";
import { parse } from "yaml";
import { SyncError } from "../errors.ts";
import type { ClusterAccess } from "../ports/cluster-access.ts";
import { BodyTooLarge } from "../util/bounded-body.ts";
import { boundedFile } from "../util/bounded-file.ts";
import { codeOf } from "../util/error-code.ts";
import { isShape, type Shape, shapeAt, shapesAt, textAt } from "./shapes.ts";

/** Reads a kubeconfig as kubectl does. Ignores KUBECONFIG, the home folder and the pod's own account. */
export async function loadKubeConfig(cluster: string, access: ClusterAccess): Promise<KubeConfig> {
  const { kubeConfig: source, context } = access;
  const text = "text" in source ? source.text : await read(cluster, source.path);
  const folder = "text" in source ? undefined : dirname(source.path);
  // Loaded on first use: it costs half a second of CPU, and some functions reach no cluster.
  const client = await import("@kubernetes/client-node");
  const config = new client.KubeConfig();
  try {
    config.loadFromString(JSON.stringify(completed(parse(text), folder)));
    if (folder !== undefined) config.makePathsAbsolute(folder);
  } catch (error) {
    // The error's text quotes the file, which holds keys.
    throw invalid(cluster, "is not valid", error);
  }
  if (context !== undefined) config.setCurrentContext(context);
  const name = config.getCurrentContext() ?? "";
  if (!config.contexts.some((candidate) => candidate.name === name)) throw invalid(cluster, `has no context "${name}"`);
  const target = config.getCurrentCluster();
  if (!target) throw invalid(cluster, `lacks the cluster of context "${name}"`);
  if (!isServer(target.server, target.skipTLSVerify))
    throw invalid(cluster, "needs a server that starts with https://");
  const user = config.getCurrentUser();
  if (!user) throw invalid(cluster, `lacks the user of context "${name}"`);
  if (access.mayExec === false && runsProgram(user)) {
    throw invalid(cluster, "has an exec plugin, and functions on AWS run no programs: connect by eks, or by a token");
  }
  return config;
}

/** A cluster's own `auth-provider` may name a command, too. */
function runsProgram({ exec, authProvider }: User): boolean {
  return exec !== undefined || (authProvider !== undefined && authProvider.name !== "tokenFile");
}

/** Plain HTTP only where TLS is explicitly disabled, because requests hold secrets. */
function isServer(server: string, skipTlsVerify: boolean): boolean {
  return URL.canParse(server) && (server.startsWith("https://") || (server.startsWith("http://") && skipTlsVerify));
}

async function read(cluster: string, path: string): Promise<string> {
  try {
    return await boundedFile(path);
  } catch (error) {
    const why = error instanceof BodyTooLarge ? error.message : (codeOf(error) ?? "unknown");
    throw invalid(cluster, `${path} can't be read (${why})`, error);
  }
}

function invalid(cluster: string, complaint: string, cause?: unknown): SyncError {
  return new SyncError("REFERENCE_INVALID", `cluster ${cluster}: its kubeconfig ${complaint}`, { cause });
}

/** Adds what client-node lacks: `tokenFile`, and the environment of exec plugins. */
function completed(document: unknown, folder: string | undefined): unknown {
  if (!isShape(document)) throw new Error("not an object");
  const users = shapesAt(document, "users").map((entry) => ({
    ...entry,
    user: completedUser(shapeAt(entry, "user"), folder),
  }));
  return { ...document, users };
}

function completedUser(user: Shape, folder: string | undefined): Shape {
  const { exec, tokenFile, ...rest } = user;
  const absolute = (path: string): string => (folder === undefined || isAbsolute(path) ? path : join(folder, path));
  if (typeof tokenFile === "string" && rest.token === undefined) {
    return { ...rest, "auth-provider": { name: "tokenFile", config: { tokenFile: absolute(tokenFile) } } };
  }
  if (!isShape(exec)) return user;
  const command = textAt(exec, "command") ?? "";
  const info = { apiVersion: exec.apiVersion, kind: "ExecCredential", spec: { interactive: false } };
  const env = [...shapesAt(exec, "env"), { name: "KUBERNETES_EXEC_INFO", value: JSON.stringify(info) }];
  // As kubectl: a command with a slash is relative to the kubeconfig, any other one is on PATH.
  return { ...rest, exec: { ...exec, env, command: command.includes("/") ? absolute(command) : command } };
}
