import { parse } from "yaml";
import { isShape, type Shape, shapeAt, shapesAt, textAt } from "./shapes.ts";

/** Whether a kubeconfig works as text alone: without files beside it and without programs. */
export interface Portability {
  /** What does not work there, with the remedy. */
  readonly problems: readonly string[];
  /** Users of the file that none of these contexts uses. */
  readonly unused: readonly string[];
}

const FILES = { "client-certificate": "-data", "client-key": "-data" } as const;
const EMBED = "embed it with kubectl config view --raw --flatten";

/** Checks these contexts of a kubeconfig; undefined is its current context. */
export function portability(text: string, contexts: readonly (string | undefined)[]): Portability {
  const document = shapeOf(text);
  if (document === undefined) return { problems: ["it is not a kubeconfig"], unused: [] };
  const checked = contexts.map((context) => check(document, context ?? textAt(document, "current-context") ?? ""));
  const used = new Set(checked.map(({ user }) => user));
  const names = shapesAt(document, "users").map((user) => textAt(user, "name") ?? "");
  return {
    problems: [...new Set(checked.flatMap(({ problems }) => problems))],
    unused: names.filter((name) => !used.has(name)),
  };
}

function shapeOf(text: string): Shape | undefined {
  try {
    const document: unknown = parse(text);
    return isShape(document) ? document : undefined;
  } catch {
    return undefined;
  }
}

interface Checked {
  readonly problems: readonly string[];
  readonly user?: string;
}

function check(document: Shape, name: string): Checked {
  const context = named(document, "contexts", name);
  if (context === undefined) return { problems: [`it has no context "${name}"`] };
  const user = textAt(shapeAt(context, "context"), "user") ?? "";
  const login = named(document, "users", user);
  const cluster = named(document, "clusters", textAt(shapeAt(context, "context"), "cluster") ?? "");
  if (login === undefined) return { problems: [`it lacks the user of context "${name}"`], user };
  if (cluster === undefined) return { problems: [`it lacks the cluster of context "${name}"`], user };
  return {
    problems: [...userProblems(shapeAt(login, "user"), user), ...clusterProblems(shapeAt(cluster, "cluster"))],
    user,
  };
}

function named(document: Shape, list: string, name: string): Shape | undefined {
  return shapesAt(document, list).find((entry) => textAt(entry, "name") === name);
}

function userProblems(user: Shape, name: string): readonly string[] {
  const { exec, "auth-provider": provider } = user;
  if (isShape(exec)) {
    const command = textAt(exec, "command") ?? "a program";
    return [
      `user ${name} logs in with an exec plugin (${command}), and the functions can't run programs: use connect.eks for an EKS cluster, or a token of a service account`,
    ];
  }
  if (provider !== undefined) return [`user ${name} logs in with an auth-provider: use a token of a service account`];
  const files = Object.entries(FILES).filter(([field, data]) => field in user && !(`${field}${data}` in user));
  const tokenFile = "tokenFile" in user && !("token" in user) ? ["tokenFile"] : [];
  return [...files.map(([field]) => field), ...tokenFile].map((field) => fileProblem(field));
}

function clusterProblems(cluster: Shape): readonly string[] {
  const hasFile = "certificate-authority" in cluster && !("certificate-authority-data" in cluster);
  return hasFile ? [fileProblem("certificate-authority")] : [];
}

function fileProblem(field: string): string {
  return `its ${field} is a file, which the functions don't have: ${EMBED}`;
}
