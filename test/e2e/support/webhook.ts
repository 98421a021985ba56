import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { testCa } from "../../harness/certificates.ts";
import type { Cluster } from "../../harness/index.ts";

/** An admission webhook for Secrets of one name prefix, that answers as it is told. */
export interface Webhook extends AsyncDisposable {
  readonly name: string;
  /** What stands in `response`, or undefined for an answer that is none. */
  answer(response: object | undefined): void;
}

const API = "admissionregistration.k8s.io/v1";

/** Starts one and waits until the cluster asks it before Secrets are written in this namespace. */
export async function startWebhook(cluster: Cluster, name: string, namespace: string): Promise<Webhook> {
  const ca = await testCa("webhook");
  let response: object | undefined = { allowed: true };
  let asked = 0;
  const handle = async (request: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const review = (await json(request)) as { apiVersion: string; kind: string; request: { uid: string } };
    asked += 1;
    if (response === undefined) return void answer.writeHead(500).end("no answer");
    const { apiVersion, kind } = review;
    answer.setHeader("content-type", "application/json");
    answer.end(JSON.stringify({ apiVersion, kind, response: { uid: review.request.uid, ...response } }));
  };
  const server = createServer(await ca.serverCert("127.0.0.1", ["127.0.0.1"]), (request, answer) => {
    // The API server may give up in the middle of a review, and the end of this server ends its connections.
    handle(request, answer).catch(() => answer.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const kind = "ValidatingWebhookConfiguration";
  await cluster.apply({
    apiVersion: API,
    kind,
    metadata: { name },
    webhooks: [
      {
        name,
        clientConfig: { url, caBundle: Buffer.from(ca.pem).toString("base64") },
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
        rules: [{ apiGroups: [""], apiVersions: ["v1"], resources: ["secrets"], operations: ["CREATE", "UPDATE"] }],
        failurePolicy: "Fail",
        sideEffects: "None",
        // On a busy machine this process may answer late: one that is too late would refuse for another reason.
        timeoutSeconds: 10,
        admissionReviewVersions: ["v1"],
      },
    ],
  });
  // The API server learns of a webhook a moment after it has stored it.
  const probe = { apiVersion: "v1", kind: "Secret", metadata: { name: "probe" } };
  await cluster.waitFor(`the API server to ask ${name}`, async () => {
    await cluster.request("POST", `/api/v1/namespaces/${namespace}/secrets?dryRun=All`, probe);
    return asked > 0;
  });
  return {
    name,
    answer(next) {
      response = next;
    },
    async [Symbol.asyncDispose]() {
      await cluster.delete({ apiVersion: API, kind, name });
      server.closeAllConnections();
      server.close();
    },
  };
}
