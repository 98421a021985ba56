import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { obtain } from "../obtain/obtain.ts";
import { httpProbe } from "../process/http-probe.ts";
import type { ServerSpec } from "../process/server.ts";
import type { Credentials } from "./credentials.ts";
import { kubeconfig } from "./kubeconfig.ts";

/** Where the parts of one cluster are and what they share. */
export interface Plan {
  readonly name: string;
  readonly folder: string;
  readonly credentials: Credentials;
  readonly ports: {
    readonly api: number;
    readonly etcd: number;
    readonly etcdPeer: number;
    readonly controllers: number;
  };
  readonly admissionPlugins: readonly string[];
  readonly controllers: readonly string[];
  readonly apiServerArgs: readonly string[];
}

export const apiUrl = (plan: Plan): string => `https://127.0.0.1:${plan.ports.api}`;
export const etcdData = (plan: Plan): string => join(plan.folder, "etcd");

/** Far above the few seconds that it takes: a busy machine shall not fail a test run. */
const START_TIMEOUT_MS = 180_000;
/** Its folder goes too, so nothing is lost by an end that is not graceful. */
const DISPOSE_GRACE_MS = 100;

export async function etcdSpec(plan: Plan): Promise<ServerSpec> {
  const client = `http://127.0.0.1:${plan.ports.etcd}`;
  const peer = `http://127.0.0.1:${plan.ports.etcdPeer}`;
  return {
    name: `etcd of ${plan.name}`,
    command: await obtain("etcd"),
    args: [
      `--data-dir=${etcdData(plan)}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      // A test cluster's data need not survive a power cut, only a killed process.
      "--unsafe-no-fsync",
      "--log-level=warn",
    ],
    ready: httpProbe(`${client}/health`),
    startTimeoutMs: START_TIMEOUT_MS,
    stopGraceMs: 3_000,
    disposeGraceMs: DISPOSE_GRACE_MS,
  };
}

export async function apiServerSpec(plan: Plan): Promise<ServerSpec> {
  const { file } = plan.credentials;
  return {
    name: `kube-apiserver of ${plan.name}`,
    command: await obtain("kube-apiserver"),
    args: [
      `--etcd-servers=http://127.0.0.1:${plan.ports.etcd}`,
      "--bind-address=127.0.0.1",
      `--secure-port=${plan.ports.api}`,
      `--tls-cert-file=${file("server.pem")}`,
      `--tls-private-key-file=${file("server.key")}`,
      `--client-ca-file=${file("ca.pem")}`,
      `--service-account-key-file=${file("service-accounts.pub")}`,
      `--service-account-signing-key-file=${file("service-accounts.key")}`,
      // The issuer is where Vault's jwt login would look for the keys; two clusters have two issuers.
      `--service-account-issuer=${apiUrl(plan)}`,
      "--service-cluster-ip-range=10.0.0.0/24",
      "--authorization-mode=RBAC",
      // There is no node to run a pod, so nobody asks for the endpoints of the API server's own service.
      "--endpoint-reconciler-type=none",
      // Else it tries to write to /var/run.
      `--cert-dir=${join(plan.folder, "run")}`,
      ...(plan.admissionPlugins.length > 0 ? [`--enable-admission-plugins=${plan.admissionPlugins.join(",")}`] : []),
      ...plan.apiServerArgs,
    ],
    // Less work for Go's garbage collector: a fifth of what a start costs.
    env: { GOGC: "300" },
    ready: httpProbe(`${apiUrl(plan)}/readyz`, plan.credentials.ca.pem),
    startTimeoutMs: START_TIMEOUT_MS,
    // With watches open it would wait for a minute; etcd has all that it acknowledged.
    stopGraceMs: 1_000,
    disposeGraceMs: DISPOSE_GRACE_MS,
  };
}

export async function controllerManagerSpec(plan: Plan): Promise<ServerSpec> {
  const { file, ca, controllers } = plan.credentials;
  const config = join(plan.folder, "controllers.kubeconfig");
  await writeFile(config, kubeconfig(plan.name, apiUrl(plan), ca.pem, controllers), { mode: 0o600 });
  return {
    name: `kube-controller-manager of ${plan.name}`,
    command: await obtain("kube-controller-manager"),
    args: [
      `--kubeconfig=${config}`,
      "--bind-address=127.0.0.1",
      `--secure-port=${plan.ports.controllers}`,
      `--tls-cert-file=${file("server.pem")}`,
      `--tls-private-key-file=${file("server.key")}`,
      // All others look after nodes, pods and volumes, which are not here.
      `--controllers=${plan.controllers.join(",")}`,
      // There is one; an election costs seconds at each start.
      "--leader-elect=false",
      `--root-ca-file=${file("ca.pem")}`,
      `--service-account-private-key-file=${file("service-accounts.key")}`,
      // All controllers act as one user; its certificate has the group system:masters.
      "--use-service-account-credentials=false",
    ],
    ready: httpProbe(`https://127.0.0.1:${plan.ports.controllers}/healthz`, ca.pem),
    startTimeoutMs: START_TIMEOUT_MS,
    stopGraceMs: 2_000,
    disposeGraceMs: DISPOSE_GRACE_MS,
  };
}
