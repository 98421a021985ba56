import { type Clock, MINUTE_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { type AwsKeySource, type AwsKeys, roleOf } from "./aws-keys.ts";
import { AWS_REQUESTS, withinAws } from "./aws-requests.ts";
import { eksError } from "./eks-errors.ts";
import type { EksLogin } from "./eks-token.ts";
import { kept } from "./kept.ts";

/** Where the API server of an EKS cluster is. */
export interface EksPlace {
  readonly endpoint: string;
  /** CA certificates as base64 of PEM. */
  readonly caData: string;
}

/** Asks AWS where an EKS cluster is; answers are kept. */
export type EksClusters = (login: EksLogin) => Promise<EksPlace>;

export interface EksClustersDeps {
  readonly clock: Clock;
  readonly keys: AwsKeySource;
}

const KEPT_MS = 10 * MINUTE_MS;

/** An API server answers while its cluster is updated. */
const SERVING: ReadonlySet<string | undefined> = new Set(["ACTIVE", "UPDATING"]);

/** Places by DescribeCluster, as the role of the login; each is kept for 10 min. */
export function eksClusters({ clock, keys }: EksClustersDeps): EksClusters {
  const places = kept<EksPlace>(clock);
  return (login) => {
    const { cluster, region, roleArn, externalId } = login;
    return places(JSON.stringify([cluster, region, roleArn, externalId]), async () => {
      const value = await described(login, await keys(region, roleOf(login)));
      return { value, until: clock() + KEPT_MS };
    });
  };
}

async function described({ cluster, region }: EksLogin, credentials: AwsKeys): Promise<EksPlace> {
  const thing = `EKS cluster ${cluster} in ${region}`;
  // Loaded on first use: most clusters need no client for EKS.
  const { DescribeClusterCommand, EKSClient } = await import("@aws-sdk/client-eks");
  const client = new EKSClient({ region, credentials, ...AWS_REQUESTS });
  try {
    const { cluster: found } = await withinAws(client.send(new DescribeClusterCommand({ name: cluster })));
    if (!SERVING.has(found?.status)) throw notServing(thing, found?.status);
    const { endpoint, certificateAuthority } = found ?? {};
    if (endpoint?.startsWith("https://") && certificateAuthority?.data) {
      return { endpoint, caData: certificateAuthority.data };
    }
    throw new SyncError("REFERENCE_INVALID", `${thing} has no endpoint or no CA yet: wait until it is ACTIVE`);
  } catch (error) {
    const remedy = "allow eks:DescribeCluster on it, or set endpoint and caData in fleet.yaml";
    throw eksError(error, { thing, remedy });
  } finally {
    client.destroy();
  }
}

function notServing(thing: string, status = "unknown"): SyncError {
  const known = /^[A-Z_]{1,30}$/.test(status) ? status : "unknown";
  const remedy =
    known === "DELETING" || known === "FAILED"
      ? "repair it in AWS, or take it out of fleet.yaml"
      : "wait until it is ACTIVE";
  return new SyncError("REFERENCE_INVALID", `${thing} has status ${known}: ${remedy}`);
}
