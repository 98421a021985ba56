import type { AnnotationValues } from "./annotation-values.ts";
import type { EnvVar, Pod, VolumeMount } from "./pod.ts";

/** The AWS identity of the pod (IRSA), for logins of type `aws`. */
export interface AwsIdentity {
  /** The volume with the token for AWS. */
  readonly mount?: VolumeMount;
  readonly env: readonly EnvVar[];
}

const NAMES = ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_DEFAULT_REGION", "AWS_REGION"] as const;
const TOKEN_PATH = "eks.amazonaws.com";

/** What EKS's webhook added to the containers, which runs before this one. */
export function awsIdentity(pod: Pod, values: AnnotationValues): AwsIdentity {
  const mount = pod.containers.flatMap(({ mounts }) => mounts).find(({ mountPath }) => mountPath.includes(TOKEN_PATH));
  const all = pod.containers.flatMap(({ env }) => env);
  const region = values.parameters("auth-config").get("region");
  const env = NAMES.flatMap((name): readonly EnvVar[] => {
    if (name === "AWS_REGION" && region !== undefined) return [{ name, value: region }];
    const found = all.find((one) => one.name === name);
    return found === undefined ? [] : [found];
  });
  return {
    env,
    ...(mount === undefined ? {} : { mount: { name: mount.name, mountPath: mount.mountPath, readOnly: true } }),
  };
}
