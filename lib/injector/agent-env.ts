import type { Json, JsonObject } from "../util/json.ts";
import type { PodEntry } from "./annotations.ts";
import type { Injection } from "./injection.ts";

/** The environment of the agent's containers. */

const OPTIONAL = [
  ["GOMAXPROCS", "go-max-procs"],
  ["VAULT_CLIENT_TIMEOUT", "client-timeout"],
  ["VAULT_MAX_RETRIES", "client-max-retries"],
] as const satisfies readonly (readonly [string, PodEntry["name"]])[];

/** `config`: the agent's configuration, unless a ConfigMap has it. */
export function agentEnv(injection: Injection, config: JsonObject | undefined): readonly Json[] {
  const { values, settings, aws } = injection;
  const proxy = values.get("proxy-address") ?? settings.proxyAddress;
  return [
    fromField("NAMESPACE", "metadata.namespace"),
    fromField("HOST_IP", "status.hostIP"),
    fromField("POD_IP", "status.podIP"),
    ...OPTIONAL.flatMap(([name, annotation]) => variable(name, values.get(annotation))),
    ...variable("VAULT_LOG_LEVEL", values.get("log-level") ?? "info"),
    ...variable("VAULT_LOG_FORMAT", values.get("log-format") ?? "standard"),
    ...variable("HTTPS_PROXY", proxy),
    ...(config === undefined ? connectionEnv(injection) : variable("VAULT_CONFIG", base64(JSON.stringify(config)))),
    ...variable("VAULT_CACERT_BYTES", settings.vaultCaCert === undefined ? undefined : pem(settings.vaultCaCert)),
    ...(aws?.env ?? []),
  ];
}

/** For a ConfigMap, whose configuration may leave these out. */
function connectionEnv({ connection }: Injection): readonly Json[] {
  return [
    ...variable("VAULT_ADDR", connection.address === "" ? undefined : connection.address),
    ...variable("VAULT_CACERT", connection.caCert),
    ...variable("VAULT_CAPATH", connection.caPath),
    ...variable("VAULT_CLIENT_CERT", connection.clientCert),
    ...variable("VAULT_CLIENT_KEY", connection.clientKey),
    ...variable("VAULT_SKIP_VERIFY", String(connection.skipsVerify)),
    ...variable("VAULT_TLS_SERVER_NAME", connection.tlsServerName),
  ];
}

function variable(name: string, value: string | undefined): readonly Json[] {
  return value === undefined ? [] : [{ name, value }];
}

function fromField(name: string, fieldPath: string): Json {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** The setting may be PEM in base64. */
function pem(text: string): string {
  const bare = text.replace(/\s/g, "");
  return /^[A-Za-z0-9+/]+={0,2}$/.test(bare) && bare.length % 4 === 0 ? Buffer.from(bare, "base64").toString() : text;
}
