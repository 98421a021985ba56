import { type Clock, type EpochMs, HOUR_MS, MINUTE_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { AWS_REQUESTS, withinAws } from "./aws-requests.ts";
import { eksError } from "./eks-errors.ts";
import { type Good, kept } from "./kept.ts";

/** Keys that sign requests to AWS. */
export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** Missing: they do not end. */
  readonly expiration?: Date;
}

/** A role that is assumed. */
export interface AwsRole {
  readonly roleArn: string;
  readonly externalId?: string | undefined;
}

/** The role that a login names; undefined: keyferry's own identity. */
export function roleOf({
  roleArn,
  externalId,
}: {
  readonly roleArn?: string | undefined;
  readonly externalId?: string | undefined;
}): AwsRole | undefined {
  return roleArn === undefined ? undefined : { roleArn, externalId };
}

/** The keys of keyferry's own process, or of a role that it assumes in this region. */
export type AwsKeySource = (region: string, role?: AwsRole) => Promise<AwsKeys>;

/** A session is replaced so long before its end: a token that it signs is good for 15 min. */
const BEFORE_END_MS = 16 * MINUTE_MS;

/** Keys by the default provider chain. One session of each role, shared by all clusters that name the role. */
export function awsKeys(clock: Clock): AwsKeySource {
  const sessions = kept<AwsKeys>(clock);
  let chain: Promise<() => Promise<AwsKeys>> | undefined;
  const own = async (): Promise<AwsKeys> => {
    // The SDK's packages are loaded on first use: most clusters need none of them.
    chain ??= import("@aws-sdk/credential-provider-node").then(({ defaultProvider }) =>
      defaultProvider({ maxRetries: 1, timeout: 2_000 }),
    );
    const provide = await chain;
    try {
      return await withinAws(provide());
    } catch (error) {
      const message = "keyferry's own process has no AWS identity: give it one (role, profile or environment)";
      throw new SyncError("KUBE_LOGIN_REFUSED", message, { cause: error });
    }
  };
  return async (region, role) => {
    if (role === undefined) return own();
    const id = JSON.stringify([role.roleArn, role.externalId]);
    return sessions(id, async () => session(region, role, await own(), clock));
  };
}

async function session(region: string, role: AwsRole, credentials: AwsKeys, clock: Clock): Promise<Good<AwsKeys>> {
  const { roleArn, externalId } = role;
  const { AssumeRoleCommand, STSClient } = await import("@aws-sdk/client-sts");
  const client = new STSClient({ region, credentials, ...AWS_REQUESTS });
  const command = new AssumeRoleCommand({
    RoleArn: roleArn,
    RoleSessionName: "keyferry",
    ...(externalId === undefined ? {} : { ExternalId: externalId }),
  });
  try {
    const { Credentials: found } = await withinAws(client.send(command));
    if (!found?.AccessKeyId || !found.SecretAccessKey) {
      throw new SyncError("CLOUD_UNAVAILABLE", `AWS returned no keys of IAM role ${roleArn}: keyferry tries again`);
    }
    const value = {
      accessKeyId: found.AccessKeyId,
      secretAccessKey: found.SecretAccessKey,
      ...(found.SessionToken === undefined ? {} : { sessionToken: found.SessionToken }),
      ...(found.Expiration === undefined ? {} : { expiration: found.Expiration }),
    };
    return { value, until: replacedAt(found.Expiration, clock()) };
  } catch (error) {
    const remedy = "allow sts:AssumeRole on it, and check its trust policy and externalId";
    throw eksError(error, { thing: `IAM role ${roleArn}`, remedy });
  } finally {
    client.destroy();
  }
}

/** A session that is short, or whose end is missing, is kept for half of its time. */
function replacedAt(expiration: Date | undefined, now: EpochMs): EpochMs {
  const end = expiration?.getTime() ?? now + HOUR_MS;
  return Math.max(end - BEFORE_END_MS, now + (end - now) / 2);
}
