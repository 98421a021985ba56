import { z } from "zod";
import type { Complaint } from "../util/complaints.ts";
import { baseUrl, path } from "./checks.ts";
import {
  type VaultKubeconfigWay,
  type VaultKubernetesWay,
  vaultKubeconfig,
  vaultKubernetes,
  vaultKubernetesComplaints,
} from "./vault-connect-schema.ts";

/** The ways to connect to a cluster, in fleet.yaml: a schema for each, and what it must fulfil beside its types. */

/** How to reach one cluster: exactly one member is present. `lib/connect/ways.ts` says what each of them does. */
export interface Connect {
  readonly kubeconfig?: KubeconfigWay;
  readonly server?: ServerWay;
  readonly eks?: EksWay;
  readonly vaultKubernetes?: VaultKubernetesWay;
  readonly vaultKubeconfig?: VaultKubeconfigWay;
  /** Not in fleet.yaml: a cluster that a hub names. */
  readonly hub?: HubWay;
}

/** A cluster by its object in a hub, which has the credentials. */
export interface HubWay {
  readonly hub: string;
  /** `namespace/name`. */
  readonly object: string;
  /** Fingerprint of the way, without credentials. */
  readonly leadsTo: string;
  /** uid of kube-system that its API server must have; missing before the first connection. */
  readonly uid?: string;
}

/** A kubeconfig, as for kubectl. */
export interface KubeconfigWay {
  readonly path: string;
  readonly context?: string;
}

/** An API server by its address; paths are those of fleet.yaml. */
export interface ServerWay {
  readonly url: string;
  readonly caFile?: string;
  readonly caData?: string;
  readonly serverName?: string;
  readonly insecure: boolean;
  readonly tokenFile?: string;
  readonly clientCertFile?: string;
  readonly clientKeyFile?: string;
}

/** An EKS cluster. */
export interface EksWay {
  readonly cluster: string;
  readonly region: string;
  readonly roleArn?: string;
  readonly externalId?: string;
  readonly endpoint?: string;
  readonly caData?: string;
  readonly proxyUrl?: string;
}

/** CA certificates as base64 of PEM. */
const caData = z
  .base64({ error: "must be base64", abort: true })
  .refine((text) => atob(text).includes("-----BEGIN CERTIFICATE-----"), "must hold a PEM certificate");

const kubeconfig = z
  .strictObject({
    path: path("A kubeconfig."),
    context: z.string().min(1).exactOptional().describe("Context in the kubeconfig. Not set: its current context."),
  })
  .describe("A kubeconfig, as for kubectl.");

const server = z
  .strictObject({
    url: z.string().check(baseUrl).describe("URL of the API server."),
    caFile: path("CA certificates of the API server, as PEM.").exactOptional(),
    caData: caData.exactOptional().describe("CA certificates of the API server, as base64 of PEM."),
    serverName: z.string().min(1).exactOptional().describe("Name in the API server's certificate."),
    insecure: z.boolean().default(false).describe("Accept any certificate of the API server."),
    tokenFile: path("Token for the login, read again when it changed.").exactOptional(),
    clientCertFile: path("Client certificate for the login, as PEM.").exactOptional(),
    clientKeyFile: path("Key of the client certificate, as PEM.").exactOptional(),
  })
  .describe("An API server by its address.");

const eks = z
  .strictObject({
    cluster: z
      .string()
      .regex(/^[0-9A-Za-z][\w-]{0,99}$/, "must be the name of an EKS cluster")
      .describe("Name of the cluster in EKS."),
    region: z
      .string()
      .regex(/^[a-z]{2,4}(-[a-z]{2,12}){1,3}-\d{1,2}$/, "must be an AWS region, as eu-central-1")
      .describe("Region of the cluster."),
    roleArn: z
      .string()
      .regex(/^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/, "must be the ARN of an IAM role")
      .exactOptional()
      .describe("IAM role to assume. Not set: keyferry's own AWS identity."),
    externalId: z
      .string()
      .regex(/^[\w+=,.@:/-]{2,1224}$/, "must be an external id: 2 to 1,224 letters, digits and +=,.@:/-_")
      .exactOptional()
      .describe("External id that the role's trust policy asks for."),
    endpoint: z
      .string()
      .check(baseUrl)
      .exactOptional()
      .describe("URL of the API server, with caData. Not set: AWS is asked (eks:DescribeCluster)."),
    caData: caData.exactOptional().describe("CA certificates of the API server, as base64 of PEM."),
    proxyUrl: z
      .url({ protocol: /^(https?|socks5)$/, error: "must be the URL of a proxy: http, https or socks5" })
      .exactOptional()
      .describe("Proxy to the API server."),
  })
  .describe("An EKS cluster, by keyferry's AWS identity.");

export const connect = z
  .strictObject({
    kubeconfig: kubeconfig.exactOptional(),
    server: server.exactOptional(),
    eks: eks.exactOptional(),
    vaultKubernetes: vaultKubernetes.exactOptional(),
    vaultKubeconfig: vaultKubeconfig.exactOptional(),
  })
  .describe("How to reach the cluster: exactly one of these.");

type Fields = Readonly<Record<string, unknown>>;

function isMap(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What concerns several fields of one way. A way without such rules is missing. */
const ACROSS: Readonly<Record<string, (fields: Fields, path: readonly PropertyKey[]) => readonly Complaint[]>> = {
  server: serverComplaints,
  eks: eksComplaints,
  vaultKubernetes: vaultKubernetesComplaints,
};

const WAYS = Object.keys(connect.shape);

/** The complaints about a `connect` at `path` that its schema can't express. */
export function connectComplaints(value: unknown, path: readonly PropertyKey[]): readonly Complaint[] {
  if (!isMap(value)) return [];
  const ways = Object.keys(value).filter((way) => WAYS.includes(way));
  if (ways.length !== 1) return [{ path, message: `must have exactly one of ${WAYS.join(", ")}` }];
  const [way = ""] = ways;
  const fields = value[way];
  return isMap(fields) ? (ACROSS[way]?.(fields, [...path, way]) ?? []) : [];
}

function eksComplaints(fields: Fields, path: readonly PropertyKey[]): readonly Complaint[] {
  const { roleArn, externalId, endpoint, caData } = fields;
  const isPlain = typeof endpoint === "string" && endpoint.toLowerCase().startsWith("http://");
  return [
    ...(isPlain ? [{ path: [...path, "endpoint"], message: "must begin with https://" }] : []),
    ...(externalId !== undefined && roleArn === undefined ? [{ path, message: "must have a roleArn" }] : []),
    ...((endpoint === undefined) !== (caData === undefined)
      ? [{ path, message: "must have both of endpoint and caData, or neither" }]
      : []),
  ];
}

function serverComplaints(fields: Fields, path: readonly PropertyKey[]): readonly Complaint[] {
  const { url, caFile, caData, insecure, tokenFile, clientCertFile, clientKeyFile } = fields;
  const isPlain = typeof url === "string" && url.toLowerCase().startsWith("http://");
  return [
    ...(isPlain && insecure !== true ? [{ path: [...path, "url"], message: "must begin with https://" }] : []),
    ...(caFile !== undefined && caData !== undefined ? [{ path, message: "must have one of caFile and caData" }] : []),
    ...((clientCertFile === undefined) !== (clientKeyFile === undefined)
      ? [{ path, message: "must have both of clientCertFile and clientKeyFile, or neither" }]
      : []),
    ...(tokenFile === undefined && clientCertFile === undefined
      ? [{ path, message: "must have a tokenFile, or a clientCertFile and a clientKeyFile" }]
      : []),
  ];
}
