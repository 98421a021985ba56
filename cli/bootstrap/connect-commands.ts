import { resolve } from "node:path";
import { InputError } from "../../lib/errors.ts";
import type { EksWay } from "../../lib/fleet/connect-schema.ts";
import { tokenOf, waitForToken } from "../../lib/rights/accounts.ts";
import { commentLines } from "../../lib/rights/comment-lines.ts";
import { shellWord } from "../../lib/util/shell.ts";
import { EKS_GROUP } from "./kubernetes-yaml.ts";
import type { ClusterNeeds } from "./needs.ts";
import { clusterField } from "./vault-commands.ts";

/** A shell script that writes the files which `connect` in fleet.yaml names. It overwrites none. */
export function connectCommands(needs: ClusterNeeds): string {
  const { kubeconfig, server, eks } = needs.cluster.connect;
  if (eks !== undefined) return accessEntry(eks);
  const files =
    kubeconfig !== undefined
      ? [kubeconfigFile(needs, kubeconfig)]
      : server?.tokenFile !== undefined
        ? [tokenFile(needs, server.tokenFile), ...(server.caFile === undefined ? [] : [caFile(needs, server.caFile)])]
        : undefined;
  if (files === undefined) {
    const how = Object.keys(needs.cluster.connect).join(", ");
    throw new InputError("bootstrap", [
      `-o connect writes a kubeconfig or a tokenFile, and cluster ${needs.cluster.name} connects with ${how}: bind the printed roles to that identity`,
    ]);
  }
  const parts = [
    ["Writes what keyferry connects with. It needs kubectl for the cluster. Run it after the YAML.", "set -eu"],
    ["Only the user who runs it may read the files. A file that exists stays as it is.", "umask 077\nset -C"],
    ["Kubernetes fills the account's Secret a moment after it is created.", waitForToken(needs.context, needs.account)],
    ...files,
  ] as const;
  return parts.map(([reason, command]) => `${commentLines(reason).join("\n")}\n${command}\n`).join("\n");
}

/** Who keyferry is in EKS stands outside of the cluster. */
function accessEntry({ cluster, region, roleArn }: EksWay): string {
  const arn = roleArn ?? "ARN_OF_KEYFERRY_ROLE";
  const reason =
    roleArn === undefined
      ? "fleet.yaml names no roleArn: put the role of keyferry's own process in place of ARN_OF_KEYFERRY_ROLE."
      : "The role of connect.eks in fleet.yaml.";
  const meaning = `The access entry makes this role the group ${EKS_GROUP}, to which the printed roles are bound.`;
  return [
    ...commentLines(`${meaning} ${reason}`),
    `aws eks create-access-entry --cluster-name ${shellWord(cluster)} --region ${shellWord(region)} \\`,
    `  --principal-arn ${shellWord(arn)} --kubernetes-groups ${EKS_GROUP}`,
    "",
  ].join("\n");
}

type Part = readonly [reason: string, command: string];

function kubeconfigFile(
  needs: ClusterNeeds,
  { path, context = needs.cluster.name }: { readonly path: string; readonly context?: string },
): Part {
  const name = JSON.stringify(context).replaceAll(/[$`\\]/g, "\\$&");
  const lines = [
    `token="$(${tokenOf(needs.context, needs.account)})"`,
    `server="$(${clusterField(needs, "server")})"`,
    `ca="$(${clusterField(needs, "certificate-authority-data")})"`,
    `cat > ${fileWord(needs, path)} <<KUBECONFIG`,
    "apiVersion: v1",
    "kind: Config",
    `current-context: ${name}`,
    `clusters: [{name: ${name}, cluster: {server: "$server", certificate-authority-data: "$ca"}}]`,
    `users: [{name: keyferry, user: {token: "$token"}}]`,
    `contexts: [{name: ${name}, context: {cluster: ${name}, user: keyferry}}]`,
    "KUBECONFIG",
  ];
  return ["connect.kubeconfig of fleet.yaml, with the token of keyferry's own service account.", lines.join("\n")];
}

function tokenFile(needs: ClusterNeeds, path: string): Part {
  return [
    "connect.server.tokenFile of fleet.yaml.",
    `${tokenOf(needs.context, needs.account)} > ${fileWord(needs, path)}`,
  ];
}

function caFile(needs: ClusterNeeds, path: string): Part {
  const ca = clusterField(needs, "certificate-authority-data");
  return ["connect.server.caFile of fleet.yaml.", `${ca} | base64 -d > ${fileWord(needs, path)}`];
}

/** Paths are relative to fleet.yaml, not to the shell. */
function fileWord({ folder }: ClusterNeeds, path: string): string {
  return shellWord(resolve(folder, path));
}
