import type { InjectorSettings } from "../injector-settings.ts";
import type { AnnotationValues } from "./annotation-values.ts";
import { VAULT_PREFIX } from "./annotations.ts";
import type { Notes } from "./notes.ts";

/** How the agent reaches Vault and logs in. */
export interface Connection {
  readonly address: string;
  readonly namespace?: string;
  readonly caCert?: string;
  readonly caPath?: string;
  readonly clientCert?: string;
  readonly clientKey?: string;
  readonly tlsServerName?: string;
  readonly skipsVerify: boolean;
  readonly authType: string;
  readonly authPath: string;
  /** Parameters of the login method, the role among them. */
  readonly authConfig: ReadonlyMap<string, string>;
}

/** A configuration of the user's own (a ConfigMap) has its own address and login. */
export function connectionOf(
  values: AnnotationValues,
  settings: InjectorSettings,
  hasConfigMap: boolean,
  notes: Notes,
): Connection {
  const address = values.get("service") ?? settings.vaultAddress ?? "";
  const authType = values.get("auth-type") ?? settings.authType;
  const authConfig = authConfigOf(values);
  if (!hasConfigMap && address === "") {
    notes.refuse("Vault's address", `missing: set ${VAULT_PREFIX}service, or injector.vaultAddress in fleet.yaml`);
  }
  if (!hasConfigMap && authType === "kubernetes" && !authConfig.get("role")) {
    notes.refuse(`${VAULT_PREFIX}role`, "missing: the role to log in as");
  }
  return {
    address,
    authType,
    authPath: values.get("auth-path") ?? settings.authPath,
    authConfig,
    skipsVerify: values.get("tls-skip-verify") ?? false,
    ...given("namespace", values.get("namespace") ?? settings.vaultNamespace),
    ...given("caCert", values.get("ca-cert")),
    ...given("caPath", values.get("ca-key")),
    ...given("clientCert", values.get("client-cert")),
    ...given("clientKey", values.get("client-key")),
    ...given("tlsServerName", values.get("tls-server-name")),
  };
}

/** An object with the field, if there is a value. */
export function given<N extends string, T>(name: N, value: T | undefined): { readonly [K in N]?: T } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [K in N]?: T });
}

function authConfigOf(values: AnnotationValues): ReadonlyMap<string, string> {
  const config = new Map([...values.parameters("auth-config")].sort(([a], [b]) => (a < b ? -1 : 1)));
  const role = values.get("role");
  return role === undefined ? config : new Map([["role", role], ...[...config].filter(([key]) => key !== "role")]);
}
