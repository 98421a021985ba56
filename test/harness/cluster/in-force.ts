import type { KubeClient } from "./kube-client.ts";

/** A rule of a role; its first group, resource, name and verb are what is asked for. */
export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** A real API server learns of a role a moment after it has stored it: waits until the account may do what a rule says. */
export async function inForce(
  cluster: Pick<KubeClient, "request" | "waitFor">,
  account: { readonly namespace: string; readonly name: string },
  rule: Rule,
  namespace?: string,
): Promise<void> {
  const [group, name, verb] = [rule.apiGroups[0], rule.resourceNames?.[0], rule.verbs[0]];
  const [resource, subresource] = (rule.resources[0] ?? "").split("/");
  const review = {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SubjectAccessReview",
    spec: {
      user: `system:serviceaccount:${account.namespace}:${account.name}`,
      resourceAttributes: { namespace, group, resource, subresource, name, verb },
    },
  };
  const path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
  await cluster.waitFor(`the role of ${account.name} to be in force`, async () => {
    const { body } = await cluster.request<{ status?: { allowed?: boolean } }>("POST", path, review);
    return body.status?.allowed === true;
  });
}
