import type { KubeConfig } from "@kubernetes/client-node";
import { SyncError } from "../../errors.ts";
import { type Connection, connect } from "../../kubernetes/connection.ts";
import { loadKubeConfig } from "../../kubernetes/kube-config.ts";
import { connectionFailure } from "../../kubernetes/kube-errors.ts";
import { isShape, type Shape } from "../../kubernetes/shapes.ts";
import { boundedFile } from "../../util/bounded-file.ts";
import { type WholeAnswer, wholeAnswer } from "../../util/whole-answer.ts";
import type { Examined, Reached } from "../context.ts";
import { type Finding, finding } from "../finding.ts";
import { advice } from "../remedies.ts";
import { serverEnds } from "../server-ends.ts";
import { lookAtServer } from "../server-look.ts";
import { credentialEnds, loginRemedy } from "./credentials.ts";

/** Answers of the API server itself are a few KiB; the OpenAPI document of our kinds is one MiB at most. */
const MAX_BYTES = 8 * 1_024 * 1_024;

/**
 * From fleet.yaml to an accepted login, step by step, as each step needs the one before it. `reached` is missing when
 * one of them fails.
 */
export async function reachCluster(
  examined: Examined,
): Promise<{ readonly findings: readonly Finding[]; readonly reached?: Reached }> {
  const config = await configOf(examined);
  if (!("getCurrentCluster" in config)) return { findings: [config] };
  const ends = await credentialEnds(examined, config);
  const looked = await lookAtApiServer(examined, config);
  const findings = [...ends, ...looked];
  if (findings.some(({ severity }) => severity === "error")) return { findings };
  const reached = await logIn(examined, config);
  return "code" in reached ? { findings: [...findings, reached] } : { findings, reached };
}

/** The first request with credentials. Its connection is the caller's to close. */
async function logIn(examined: Examined, config: KubeConfig): Promise<Reached | Finding> {
  const { deps, settings, signal } = examined;
  let connection: Connection | undefined;
  let failed: Finding;
  try {
    connection = await connect(settings.name, config, deps.timeoutMs);
    const sentAt = deps.clock();
    const timed = AbortSignal.any([signal, AbortSignal.timeout(deps.timeoutMs)]);
    const answer = await rawGet(connection, "/version", timed);
    const skewMs = skewOf(answer.headers.date, sentAt, deps.clock());
    if (answer.statusCode !== 401) return { ...examined, connection, version: versionIn(answer), skewMs };
    failed = loginRefused(examined, config);
  } catch (error) {
    failed = unreached(examined, isTimeOut(error) ? timedOut(settings.name) : connectionFailure(settings.name, error));
  }
  connection?.close();
  return failed;
}

function isTimeOut(error: unknown): boolean {
  return error instanceof Error && (error.name === "TimeoutError" || error.name === "AbortError");
}

function timedOut(cluster: string): SyncError {
  return new SyncError("KUBE_UNREACHABLE", `cluster ${cluster} did not answer in time`);
}

async function configOf({ deps, settings }: Examined): Promise<KubeConfig | Finding> {
  try {
    return await loadKubeConfig(settings.name, await deps.access(settings.name));
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    return finding("ACCESS_UNUSABLE", {
      cluster: settings.name,
      where: `connect of cluster ${settings.name} in fleet.yaml`,
      what: error.message,
      remedy: advice("Correct connect in fleet.yaml, or the file that it names."),
    });
  }
}

/** A connection by a proxy shows nothing of the server; the login that follows does. */
async function lookAtApiServer({ deps, settings, signal }: Examined, config: KubeConfig): Promise<readonly Finding[]> {
  const target = config.getCurrentCluster();
  if (!target || target.proxyUrl) return [];
  const url = new URL(target.server);
  const ca = await caOf(target);
  const timed = AbortSignal.any([signal, AbortSignal.timeout(deps.timeoutMs)]);
  const look = await lookAtServer({ url, ca, serverName: target.tlsServerName }, timed);
  const { failure, certificates } = look;
  const about = { cluster: settings.name, where: url.origin };
  if (failure?.stage === "name") {
    return [
      finding("CLUSTER_NAME_UNKNOWN", {
        ...about,
        what: `${url.hostname} can't be resolved (${failure.code})`,
        remedy: advice(
          `Correct the server in the kubeconfig or fleet.yaml, or the DNS of this machine: getent hosts ${url.hostname}`,
        ),
      }),
    ];
  }
  if (failure?.stage === "connection") return [unreachable(about, failure.code)];
  const isTrusted = failure === undefined || target.skipTLSVerify === true;
  const refused = isTrusted
    ? []
    : [
        finding("CLUSTER_TLS_REFUSED", {
          ...about,
          what: `its certificate is refused (${failure.code}); it is for ${certificates[0]?.names.join(", ") ?? "nobody"}`,
          remedy: advice(
            failure.code === "ERR_TLS_CERT_ALTNAME_INVALID"
              ? `Set tls-server-name in the kubeconfig (serverName of connect.server) to one of: ${certificates[0]?.names.join(", ")}`
              : "Set certificate-authority-data in the kubeconfig (caFile of connect.server) to the CA of this API server",
          ),
        }),
      ];
  return [...refused, ...serverEnds(look, about, deps.clock())];
}

async function caOf(target: NonNullable<ReturnType<KubeConfig["getCurrentCluster"]>>): Promise<string | undefined> {
  if (target.caData) return Buffer.from(target.caData, "base64").toString("utf8");
  return target.caFile ? boundedFile(target.caFile).catch(() => undefined) : undefined;
}

function unreachable(about: { readonly cluster: string; readonly where: string }, code: string): Finding {
  return finding("CLUSTER_UNREACHABLE", {
    ...about,
    what: `no connection (${code})`,
    remedy: advice(
      "Start the API server, or correct its address in the kubeconfig or fleet.yaml, the route or the firewall.",
    ),
  });
}

function unreached({ settings }: Examined, error: unknown): Finding {
  if (!(error instanceof SyncError)) throw error;
  const about = { cluster: settings.name, where: `cluster ${settings.name}`, what: error.message };
  if (error.code === "KUBE_UNREACHABLE") return unreachable(about, error.message);
  const code = error.code === "KUBE_TLS_REFUSED" ? "CLUSTER_TLS_REFUSED" : "ACCESS_UNUSABLE";
  return finding(code, { ...about, remedy: advice("Correct the kubeconfig, or connect in fleet.yaml.") });
}

function loginRefused(examined: Examined, config: KubeConfig): Finding {
  const { settings } = examined;
  return finding("CLUSTER_LOGIN_REFUSED", {
    cluster: settings.name,
    where: `connect of cluster ${settings.name} in fleet.yaml`,
    what: "the API server refuses the login (401)",
    remedy: loginRemedy(examined, config),
  });
}

/** A GET of any path, with the cluster's credentials. */
export function rawGet(connection: Connection, path: string, signal: AbortSignal): Promise<WholeAnswer> {
  const { origin, prefix, headers, requests } = connection;
  const request = { origin, path: `${prefix}${path}`, method: "GET" as const };
  return wholeAnswer(requests, { ...request, headers: { ...headers, accept: "application/json" } }, MAX_BYTES, signal);
}

/** The object of an answer; none of another status, or without JSON. */
export function jsonOf({ statusCode, bytes }: WholeAnswer): Shape {
  if (statusCode !== 200) return {};
  try {
    const parsed: unknown = JSON.parse(bytes.toString("utf8"));
    return isShape(parsed) ? parsed : {};
  } catch {
    return {};
  }
}

/** The date has full seconds, and the answer took a while: half of both is the error. */
export function skewOf(
  date: string | readonly string[] | undefined,
  sentAt: number,
  answeredAt: number,
): number | undefined {
  const theirs = typeof date === "string" ? Date.parse(date) : Number.NaN;
  return Number.isNaN(theirs) ? undefined : theirs + 500 - (sentAt + answeredAt) / 2;
}

function versionIn({ statusCode, bytes }: WholeAnswer): string {
  if (statusCode !== 200) return "";
  try {
    const { gitVersion } = JSON.parse(bytes.toString("utf8")) as { readonly gitVersion?: unknown };
    return typeof gitVersion === "string" ? gitVersion.slice(0, 64) : "";
  } catch {
    return "";
  }
}
