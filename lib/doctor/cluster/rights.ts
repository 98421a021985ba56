import { fingerprint } from "../../digest.ts";
import { accepted } from "../../kubernetes/cluster-client.ts";
import type { KubeCall } from "../../kubernetes/kube-call.ts";
import { shapeAt, textAt } from "../../kubernetes/shapes.ts";
import { parallel } from "../../util/parallel.ts";
import type { Reached } from "../context.ts";
import { type Finding, finding, type Remedy } from "../finding.ts";
import { advice, manifest } from "../remedies.ts";
import { type KubernetesRight, rightName } from "../rights.ts";

/** The most questions about one cluster. A permission for all namespaces is one question. */
const MAX_QUESTIONS = 1_000;

const RBAC = "rbac.authorization.k8s.io";

/** The rights of this list that keyferry does not have, and how many were not asked for. */
export async function missingRights(
  reached: Reached,
  needed: readonly KubernetesRight[],
): Promise<{ readonly missing: readonly KubernetesRight[]; readonly unasked: number }> {
  const everywhere = await allowedEverywhere(reached, needed);
  const rest = needed.filter((right) => !everywhere.has(general(right)));
  const missing = await parallel(rest.slice(0, MAX_QUESTIONS), async (right) =>
    right.namespace !== undefined || right.name !== undefined
      ? (await mayDo(reached, right))
        ? undefined
        : right
      : right,
  );
  return {
    missing: missing.filter((right) => right !== undefined),
    unasked: Math.max(0, rest.length - MAX_QUESTIONS),
  };
}

/** The same right without namespace and name. */
function general({ verb, group, resource }: KubernetesRight): string {
  return rightName({ verb, group, resource });
}

async function allowedEverywhere(reached: Reached, needed: readonly KubernetesRight[]): Promise<ReadonlySet<string>> {
  const questions = new Map(needed.map((right) => [general(right), right]));
  const answers = await parallel([...questions], async ([name, { verb, group, resource }]) =>
    (await mayDo(reached, { verb, group, resource })) ? [name] : [],
  );
  return new Set(answers.flat());
}

async function mayDo({ deps, settings, signal }: Reached, right: KubernetesRight): Promise<boolean> {
  const [resource = "", subresource] = right.resource.split("/");
  const { verb, group, namespace, name } = right;
  const resourceAttributes = { verb, group, resource, subresource, namespace, name };
  const kind = {
    group: "authorization.k8s.io",
    version: "v1",
    resource: "selfsubjectaccessreviews",
    kind: "SelfSubjectAccessReview",
  };
  const body = { apiVersion: "authorization.k8s.io/v1", kind: kind.kind, spec: { resourceAttributes } };
  const call: KubeCall = { cluster: settings.name, verb: "create", kind, body };
  return shapeAt(accepted(call, await deps.clients.send(call, signal)), "status").allowed === true;
}

/** One finding for each namespace, and one for the whole cluster, so that each is mended at once. */
export async function rightFindings(
  reached: Reached,
  missing: readonly KubernetesRight[],
): Promise<readonly Finding[]> {
  if (missing.length === 0) return [];
  const subject = await whoIs(reached);
  const groups = Map.groupBy(missing, ({ namespace, optional }) => JSON.stringify([namespace, optional]));
  return [...groups.values()].map((rights) => {
    const [first] = rights;
    const namespace = first?.namespace;
    return finding(first?.optional ? "RIGHT_USEFUL" : "RIGHT_MISSING", {
      cluster: reached.settings.name,
      where: namespace === undefined ? `cluster ${reached.settings.name}` : `namespace ${namespace}`,
      what: `keyferry may not ${rights.map(({ namespace: _here, ...right }) => rightName(right)).join(", ")}`,
      remedy: grant(subject, namespace, rights),
    });
  });
}

type Subject = Readonly<Record<string, string>>;

/** The identity that `connect` logs in with. Undefined: an API server before 1.28. */
async function whoIs({ deps, settings, signal }: Reached): Promise<Subject | undefined> {
  const kind = {
    group: "authentication.k8s.io",
    version: "v1",
    resource: "selfsubjectreviews",
    kind: "SelfSubjectReview",
  };
  const body = { apiVersion: "authentication.k8s.io/v1", kind: kind.kind };
  const answer = await deps.clients.send({ cluster: settings.name, verb: "create", kind, body }, signal);
  if ("failure" in answer) return undefined;
  const user = textAt(shapeAt(shapeAt(answer.object, "status"), "userInfo"), "username") ?? "";
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user);
  if (account) return { kind: "ServiceAccount", namespace: account[1] ?? "", name: account[2] ?? "" };
  return user === "" ? undefined : { kind: "User", apiGroup: RBAC, name: user };
}

/** A role of its own, named after its content: another one with this name is the same. */
function grant(
  subject: Subject | undefined,
  namespace: string | undefined,
  rights: readonly KubernetesRight[],
): Remedy {
  const rules = rulesOf(rights);
  if (subject === undefined) {
    return advice(
      `Grant to keyferry's identity there (infra/kubernetes/rbac.yaml): ${rights.map(rightName).join(", ")}`,
    );
  }
  const name = `keyferry-${fingerprint(JSON.stringify([rules, subject]))
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, "")
    .slice(0, 12)}`;
  const metadata = { name, ...(namespace !== undefined && { namespace }) };
  const kind = namespace === undefined ? "ClusterRole" : "Role";
  const apiVersion = `${RBAC}/v1`;
  return manifest(
    [
      { apiVersion, kind, metadata, rules },
      { apiVersion, kind: `${kind}Binding`, metadata, roleRef: { apiGroup: RBAC, kind, name }, subjects: [subject] },
    ],
    ["Grants what keyferry lacks for the present declarations, and nothing else."],
  );
}

function rulesOf(rights: readonly KubernetesRight[]): readonly object[] {
  const byObject = Map.groupBy(rights, ({ group, resource, name }) => JSON.stringify([group, resource, name]));
  return [...byObject.values()].flatMap(([first, ...others]) =>
    first === undefined
      ? []
      : {
          apiGroups: [first.group],
          resources: [first.resource],
          ...(isNameable(first) && { resourceNames: [first.name] }),
          verbs: [first, ...others].map(({ verb }) => verb),
        },
  );
}

/** RBAC can't limit these verbs to a name; create of a subresource can. */
function isNameable({ verb, resource, name }: KubernetesRight): boolean {
  return name !== undefined && !(verb === "create" && !resource.includes("/"));
}
