import { CreateAccessKeyCommand, CreateRoleCommand, CreateUserCommand, IAMClient } from "@aws-sdk/client-iam";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import type { Cluster, Ministack, Vault } from "./harness/index.ts";

const ACCOUNT = "000000000000";

/** Keys as they stand in a VaultAuth's Secret. */
export interface AwsKeys {
  readonly access_key_id: string;
  readonly secret_access_key: string;
  readonly session_token?: string;
}

/** Who there is in an account whose AWS checks every signature (MiniStack with AUTH). */
export interface AwsIdentities extends Disposable {
  user(name: string): Promise<AwsKeys>;
  /** A role that the account may assume, and keys of a session of it. */
  session(role: string): Promise<AwsKeys>;
  /** A role for this service account of the cluster alone; its ARN. */
  roleFor(
    role: string,
    cluster: Cluster,
    account: { readonly namespace: string; readonly name: string; readonly audience?: string },
  ): Promise<string>;
}

/** Starts of MiniStack that check signatures and trust policies. */
export const STRICT = { env: { AUTH: "true" } } as const;

export function awsIdentities({ clientConfig }: Ministack): AwsIdentities {
  const iam = new IAMClient(clientConfig);
  const sts = new STSClient(clientConfig);
  const role = async (name: string, trust: object): Promise<string> => {
    const document = { Version: "2012-10-17", Statement: [{ Effect: "Allow", ...trust }] };
    const AssumeRolePolicyDocument = JSON.stringify(document);
    const { Role } = await iam.send(new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument }));
    return Role?.Arn ?? "";
  };
  return {
    async user(name) {
      await iam.send(new CreateUserCommand({ UserName: name }));
      const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: name }));
      return { access_key_id: AccessKey?.AccessKeyId ?? "", secret_access_key: AccessKey?.SecretAccessKey ?? "" };
    },
    async session(name) {
      const RoleArn = await role(name, {
        Action: "sts:AssumeRole",
        Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` },
      });
      const { Credentials } = await sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: "test" }));
      return {
        access_key_id: Credentials?.AccessKeyId ?? "",
        secret_access_key: Credentials?.SecretAccessKey ?? "",
        session_token: Credentials?.SessionToken ?? "",
      };
    },
    roleFor(name, cluster, account) {
      const issuer = cluster.issuer.replace(/^https?:\/\//, "");
      return role(name, {
        Action: "sts:AssumeRoleWithWebIdentity",
        Principal: { Federated: `arn:aws:iam::${ACCOUNT}:oidc-provider/${issuer}` },
        Condition: {
          // A cluster's tokens have a list of audiences; unlike AWS itself, MiniStack wants that to be said.
          "ForAnyValue:StringEquals": { [`${issuer}:aud`]: account.audience ?? "sts.amazonaws.com" },
          StringEquals: {
            [`${issuer}:sub`]: `system:serviceaccount:${account.namespace}:${account.name}`,
          },
        },
      });
    },
    [Symbol.dispose]() {
      iam.destroy();
      sts.destroy();
    },
  };
}

/** An AWS mount that asks this AWS, with one role for each of these IAM users and roles: `user/NAME`, `role/NAME`. */
export async function furnishAwsLogin(
  vault: Vault,
  aws: Ministack,
  principals: readonly string[],
  options: { readonly policy: string; readonly serverId: string },
): Promise<void> {
  const { policy, serverId } = options;
  await vault.enableAwsAuth({ stsEndpoint: aws.url, stsRegion: aws.region, serverId });
  for (const principal of principals) {
    await vault.write(`auth/aws/role/${principal.split("/")[1]}`, {
      auth_type: "iam",
      bound_iam_principal_arn: `arn:aws:iam::${ACCOUNT}:${principal}`,
      resolve_aws_unique_ids: false,
      token_policies: [policy],
    });
  }
}
