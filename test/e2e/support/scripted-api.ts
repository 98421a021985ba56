import { writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Cluster } from "../../harness/index.ts";

/** What becomes of a request: true when the script has answered it, or will. Everything else goes to the real API server. */
export type Script = (request: IncomingMessage, response: ServerResponse, pass: () => void) => boolean;

/** A server in front of a real API server, which says what a test wants it to say. */
export interface ScriptedApi extends AsyncDisposable {
  /** A kubeconfig of the cluster's admin that leads here. */
  readonly kubeconfigPath: string;
  /** The same as text. */
  readonly kubeconfig: string;
  /** From now on; undefined: the real API server alone. Watches that are open end. */
  play(script: Script | undefined): void;
}

export async function scriptedApi(cluster: Cluster, folder: string): Promise<ScriptedApi> {
  const metadata = { name: "scripted", namespace: "default" };
  const subjects = [{ kind: "ServiceAccount", ...metadata }];
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" };
  await cluster.apply([
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: "scripted" },
      roleRef,
      subjects,
    },
  ]);
  const token = await cluster.tokenFor(metadata);
  let script: Script | undefined;
  const server = createServer((request, response) => {
    const pass = () => forward(cluster, token, request, response);
    if (!script?.(request, response, pass)) pass();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const kubeconfigPath = join(folder, `scripted-${cluster.name}.kubeconfig`);
  const kubeconfig = kubeconfigOf(`http://127.0.0.1:${port}`);
  await writeFile(kubeconfigPath, kubeconfig);
  return {
    kubeconfigPath,
    kubeconfig,
    play(next) {
      script = next;
      server.closeAllConnections();
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Plain HTTP, and the token is known to the server alone: what it is asked by whom is not what is tested. */
function kubeconfigOf(server: string): string {
  return JSON.stringify({
    "current-context": "scripted",
    clusters: [{ name: "scripted", cluster: { server, "insecure-skip-tls-verify": true } }],
    users: [{ name: "scripted", user: { token: "any" } }],
    contexts: [{ name: "scripted", context: { cluster: "scripted", user: "scripted" } }],
  });
}

function forward(cluster: Cluster, token: string, request: IncomingMessage, response: ServerResponse): void {
  const { method, url = "/" } = request;
  const { host: _ours, ...headers } = request.headers;
  const onward = httpsRequest(
    new URL(url, cluster.url),
    { method, ca: cluster.caPem, headers: { ...headers, authorization: `Bearer ${token}` } },
    (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
      answer.on("error", () => response.destroy());
    },
  );
  onward.on("error", () => response.destroy());
  response.on("close", () => onward.destroy());
  request.pipe(onward);
}
