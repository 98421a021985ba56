import { join } from "node:path";

/** `openbao`: the open fork, and the default; `vault`: HashiCorp's. */
export type VaultFlavor = "openbao" | "vault";

export interface VaultPlan {
  readonly flavor: VaultFlavor;
  readonly folder: string;
  readonly ports: { readonly api: number; readonly cluster: number };
  /** PEM files, when it speaks TLS. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  readonly maxRequestDuration?: string;
  readonly auditDevices?: readonly AuditDevice[];
}

/** An audit device besides the file: `socket`, or OpenBao's `http`. */
export interface AuditDevice {
  readonly type: string;
  /** Its name; the type when not given. */
  readonly path?: string;
  readonly options: Readonly<Record<string, string>>;
}

export const vaultAddress = ({ tls, ports }: VaultPlan): string => `${tls ? "https" : "http"}://127.0.0.1:${ports.api}`;
export const auditFile = (plan: VaultPlan): string => join(plan.folder, "audit.log");
export const pluginFolder = (plan: VaultPlan): string => join(plan.folder, "plugins");
export const dataFolder = (plan: VaultPlan): string => join(plan.folder, "raft");

export const fileDevice = (plan: VaultPlan): AuditDevice => ({
  type: "file",
  options: { file_path: auditFile(plan) },
});

/** The server's configuration, in JSON, which both flavors read. */
export function configFile(plan: VaultPlan): string {
  const { flavor, ports, tls, maxRequestDuration } = plan;
  const common = {
    // Not -dev: its storage is memory, and a stopped server has to come back with its data. Raft is what both have.
    storage: {
      raft: {
        path: dataFolder(plan),
        node_id: "harness",
        // Elections in one second and not five.
        performance_multiplier: "1",
      },
    },
    listener: {
      tcp: {
        address: `127.0.0.1:${ports.api}`,
        cluster_address: `127.0.0.1:${ports.cluster}`,
        ...(tls ? { tls_cert_file: tls.certFile, tls_key_file: tls.keyFile } : { tls_disable: true }),
        ...(maxRequestDuration !== undefined && { max_request_duration: maxRequestDuration }),
      },
    },
    api_addr: vaultAddress(plan),
    cluster_addr: `https://127.0.0.1:${ports.cluster}`,
    plugin_directory: pluginFolder(plan),
    log_level: "warn",
  };
  return JSON.stringify(
    flavor === "vault"
      ? { ...common, disable_mlock: true }
      : // OpenBao refuses to make audit devices through its API unless told: they are declared.
        {
          ...common,
          audit: [fileDevice(plan), ...(plan.auditDevices ?? [])].map((device) => ({ path: device.type, ...device })),
        },
  );
}
