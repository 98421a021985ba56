import type { ExecConfig } from "../../fleet/hub-schema.ts";
import { type EksLogin, unsupported } from "./login.ts";

/** Programs that other tools run to log in. keyferry runs none: it mints the token of those that it knows. */

const INSTEAD =
  "use a bearerToken, a client certificate or awsAuthConfig, or name the cluster in clusters of fleet.yaml";
const NO_GOOGLE =
  "keyferry has no Google identity, whose token would be worth more than one cluster. Use the bearerToken of a service account there, or name the cluster in clusters of fleet.yaml";
const NO_AZURE =
  "keyferry has no Azure identity. Use the bearerToken of a service account there, or name the cluster in clusters of fleet.yaml";

/** `./bin/aws-iam-authenticator.exe` -> `aws-iam-authenticator`. */
export function programOf(command: string): string {
  return (command.split(/[/\\]/).at(-1) ?? "").replace(/\.exe$/i, "");
}

/** The login that a command stands for. Throws UNSUPPORTED with its name. */
export function loginOfCommand(exec: ExecConfig, server: string, object: string): EksLogin {
  const program = programOf(exec.command);
  const [first, second] = argumentsOf(exec.args).words;
  switch (program) {
    case "argocd-k8s-auth":
      if (first === "aws") return eks({ cluster: ["cluster-name"], role: ["role-arn"] }, exec, server, object);
      if (first === "gcp") throw unsupported(object, "logs in with argocd-k8s-auth gcp", NO_GOOGLE);
      if (first === "azure") throw unsupported(object, "logs in with argocd-k8s-auth azure", NO_AZURE);
      break;
    case "aws":
      if (first === "eks" && second === "get-token") {
        return eks({ cluster: ["cluster-name", "cluster-id"], role: ["role-arn"] }, exec, server, object);
      }
      break;
    case "aws-iam-authenticator":
      if (first === "token") {
        return eks({ cluster: ["i", "cluster-id"], role: ["r", "role"] }, exec, server, object);
      }
      break;
    case "gke-gcloud-auth-plugin":
      throw unsupported(object, "logs in with gke-gcloud-auth-plugin", NO_GOOGLE);
    case "kubelogin":
    case "kubectl-kubelogin":
      throw unsupported(object, `logs in with ${program}`, NO_AZURE);
  }
  throw unsupported(object, `logs in with the program ${shown(program)}, which keyferry does not run`, INSTEAD);
}

/** Options without a value that change nothing for keyferry; and those with one. */
const FLAGS: ReadonlySet<string> = new Set(["no-cli-pager", "token-only", "cache"]);
const NO_EFFECT: ReadonlySet<string> = new Set([...FLAGS, "output", "region"]);

interface Arguments {
  readonly words: readonly string[];
  readonly options: ReadonlyMap<string, string>;
}

function argumentsOf(args: readonly string[]): Arguments {
  const words: string[] = [];
  const options = new Map<string, string>();
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? "";
    const [, name, value] = /^--?([^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (name === undefined) words.push(arg);
    else if (value !== undefined || FLAGS.has(name)) options.set(name, value ?? "");
    else {
      at += 1;
      options.set(name, args[at] ?? "");
    }
  }
  return { words, options };
}

function eks(
  names: { readonly cluster: readonly string[]; readonly role: readonly string[] },
  { args, env }: ExecConfig,
  server: string,
  object: string,
): EksLogin {
  const { options } = argumentsOf(args);
  const known = new Set([...names.cluster, ...names.role, ...NO_EFFECT]);
  const unknown = [...options.keys()].find((name) => !known.has(name));
  if (unknown !== undefined) {
    throw unsupported(
      object,
      `logs in to EKS with the option ${shown(unknown)}`,
      "use a cluster name, a region and a role alone",
    );
  }
  const named = (all: readonly string[]): string | undefined => all.map((name) => options.get(name)).find(Boolean);
  const variables = new Map(env.map(({ name, value }) => [name, value]));
  if (variables.has("AWS_PROFILE")) throw profile(object);
  return eksLogin(
    {
      cluster: named(names.cluster),
      region: options.get("region") ?? variables.get("AWS_REGION") ?? variables.get("AWS_DEFAULT_REGION"),
      roleArn: named(names.role),
      server,
    },
    object,
  );
}

const CLUSTER = /^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$/;
const CLUSTER_ARN = /^arn:aws[a-z-]*:eks:([a-z0-9-]+):\d{12}:cluster\/(.+)$/;
const ROLE = /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/;
const REGION = /^[a-z0-9-]{1,32}$/;
const HOST = /\.([a-z0-9-]+)\.eks\.[a-z0-9.-]+$/;

/** keyferry's own AWS identity for this EKS cluster. The region may stand in its ARN or in the server's host name. */
export function eksLogin(
  {
    cluster,
    region,
    roleArn,
    server,
  }: Readonly<Record<"cluster" | "region" | "roleArn" | "server", string | undefined>>,
  object: string,
): EksLogin {
  const [, ofArn, named] = CLUSTER_ARN.exec(cluster ?? "") ?? [];
  const name = named ?? cluster ?? "";
  if (!CLUSTER.test(name)) throw unsupported(object, "names no EKS cluster", "add the cluster's name");
  const host = server !== undefined && URL.canParse(server) ? new URL(server).hostname : "";
  const where = region || ofArn || HOST.exec(host)?.[1];
  if (where === undefined || !REGION.test(where)) {
    throw unsupported(
      object,
      "does not say in which region its EKS cluster is",
      "use the cluster's ARN as its name, or the endpoint of EKS as server",
    );
  }
  if (roleArn !== undefined && roleArn !== "" && !ROLE.test(roleArn)) {
    throw unsupported(object, "names a role that is no ARN of a role", "write arn:aws:iam::ACCOUNT:role/NAME");
  }
  return { kind: "eks", cluster: name, region: where, ...(roleArn ? { roleArn } : {}) };
}

/** A profile is a file of another machine. */
export function profile(object: string): Error {
  return unsupported(object, "names an AWS profile, a file that keyferry does not have", "name a role instead");
}

/** A word of the object, for messages. */
function shown(text: string): string {
  return JSON.stringify(text.slice(0, 64).toWellFormed());
}
