import type { AccessProvider, ClusterProfiles, ExecConfig } from "../../fleet/hub-schema.ts";
import { type Shape, shapeAt, shapesAt, textAt } from "../../kubernetes/shapes.ts";
import { eksLogin, loginOfCommand, programOf } from "./exec-commands.ts";
import { type HubAccess, type HubLogin, invalid, proxyOf, serverOf, tlsOf, unsupported } from "./login.ts";

export interface ClusterProfile {
  readonly namespace: string;
  readonly name: string;
  readonly spec: Shape;
  readonly status: Shape;
}

/** The part of an access provider's cluster that is meant for its plugin. */
const EXTENSION = "client.authentication.k8s.io/exec";

/** How a ClusterProfile's cluster is reached by the providers of fleet.yaml. Throws REFERENCE_INVALID or UNSUPPORTED. */
export function accessOfProfile(
  profile: ClusterProfile,
  { providers }: Pick<ClusterProfiles, "providers">,
  object: string,
): HubAccess {
  const offered = [
    ...shapesAt(profile.status, "accessProviders"),
    // The older name of the field.
    ...shapesAt(profile.status, "credentialProviders"),
  ];
  if (offered.length === 0) throw invalid(object, "has no status.accessProviders: its cluster manager sets them");
  const [found] = providers.flatMap((provider) => {
    const match = offered.find((one) => textAt(one, "name") === provider.name);
    return match === undefined ? [] : [{ provider, cluster: shapeAt(match, "cluster") }];
  });
  if (found === undefined) {
    const instead = "add one of its status.accessProviders to clusterProfile.providers of the hub in fleet.yaml";
    throw unsupported(object, "names no access provider of fleet.yaml", instead);
  }
  const { provider, cluster } = found;
  const server = serverOf(textAt(cluster, "server"), object);
  return {
    server,
    cluster: {
      ...tlsOf(
        {
          caData: textAt(cluster, "certificate-authority-data"),
          serverName: textAt(cluster, "tls-server-name"),
          insecure: cluster["insecure-skip-tls-verify"] === true,
        },
        object,
      ),
      ...proxyOf(textAt(cluster, "proxy-url"), object),
    },
    login: loginOf(profile, provider, cluster, server, object),
  };
}

function loginOf(
  profile: ClusterProfile,
  { execConfig }: AccessProvider,
  cluster: Shape,
  server: string,
  object: string,
): HubLogin {
  const extension = shapesAt(cluster, "extensions").find(({ name }) => name === EXTENSION);
  const config = extension === undefined ? {} : shapeAt(extension, "extension");
  switch (programOf(execConfig.command).replace(/-plugin$/, "")) {
    case "secretreader":
      return ofSecret(profile, { name: nameOf(profile, config, object), key: "token", holds: "token" });
    case "cp-creds":
      return ofSecret(profile, {
        name: `${nameOf(profile, config, object)}-${managedAccount(execConfig, object)}`,
        key: "token",
        holds: "token",
      });
    case "kubeconfig-secretreader":
      return ofKubeconfig(profile, config, object);
    case "eks-aws-auth":
      return eksLogin(
        { cluster: textAt(config, "clusterId"), region: textAt(config, "region"), roleArn: undefined, server },
        object,
      );
    default:
      return loginOfCommand(execConfig, server, object);
  }
}

type SecretLogin = Extract<HubLogin, { kind: "secret" }>;

function ofSecret({ namespace }: ClusterProfile, secret: Omit<SecretLogin, "kind" | "namespace">): SecretLogin {
  return { kind: "secret", namespace, ...secret };
}

/** Only its own: else a profile with another server would get another cluster's credentials. */
function nameOf({ name }: ClusterProfile, config: Shape, object: string): string {
  const named = textAt(config, "clusterName") ?? name;
  if (named === name) return name;
  throw unsupported(object, "names the Secret of another cluster", `its clusterName must be ${name}, as its own name`);
}

function ofKubeconfig(profile: ClusterProfile, config: Shape, object: string): SecretLogin {
  const own = [profile.name, `${profile.name}-kubeconfig`];
  const name = textAt(config, "name") ?? "";
  const namespace = textAt(config, "namespace") ?? profile.namespace;
  if (!own.includes(name) || namespace !== profile.namespace) {
    const instead = `the Secret must be ${own.join(" or ")} in namespace ${profile.namespace}`;
    throw unsupported(object, "names a Secret that is not its own", instead);
  }
  const key = textAt(config, "key");
  if (key === undefined || key === "") throw invalid(object, "names no key of its Secret: add it");
  const context = textAt(config, "context");
  return ofSecret(profile, { name, key, holds: "kubeconfig", ...(context ? { context } : {}) });
}

const ACCOUNT = /^--managed-serviceaccount[= ](.+)$/;

function managedAccount({ args }: ExecConfig, object: string): string {
  const [, name] = ACCOUNT.exec(args.join(" ")) ?? [];
  if (name !== undefined && /^[a-z0-9.-]{1,253}$/.test(name)) return name;
  throw unsupported(object, "uses cp-creds without a service account", "add --managed-serviceaccount to its args");
}
