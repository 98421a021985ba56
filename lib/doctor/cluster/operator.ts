import { SyncError } from "../../errors.ts";
import { observeOperator, operatorWarning } from "../../references/operator-namespace.ts";
import { kubectl } from "../../util/shell.ts";
import { VSO_LEASE, vsoMustBeGone } from "../../vso/stand-back/vso.ts";
import type { Check, Reached } from "../context.ts";
import { type Finding, finding } from "../finding.ts";
import { advice, commands, fleetChange, manifest } from "../remedies.ts";

/** The operator namespace, and the mark of an installation in it. */
export const operatorNamespace: Check<Reached> = {
  subject: "operator namespace",
  async find(reached) {
    const { deps, settings, signal } = reached;
    const before = (await deps.leases.cluster(settings.name))?.state.operator;
    const sight = { clusters: deps.apis.clusters, installation: deps.installation ?? "" };
    const { seen, installation } = await observeOperator(sight, settings, before, { mark: false }, signal);
    if (seen.without === "absent") return [missingNamespace(reached)];
    const warning = operatorWarning(settings.name, seen);
    if (warning !== undefined) return [await doubtful(reached, warning)];
    return installation === undefined || installation === deps.installation ? [] : [otherMark(reached, installation)];
  },
};

function whereOf({ settings }: Reached) {
  return { cluster: settings.name, where: `Namespace ${settings.operatorNamespace}` };
}

function missingNamespace(reached: Reached): Finding {
  const name = reached.settings.operatorNamespace;
  return finding("NAMESPACE_MISSING", {
    ...whereOf(reached),
    what: `operator namespace ${name} does not exist`,
    remedy: manifest([{ apiVersion: "v1", kind: "Namespace", metadata: { name } }]),
  });
}

async function doubtful(reached: Reached, warning: string): Promise<Finding> {
  const { deps, settings, signal } = reached;
  const { name, operatorNamespace: namespace } = settings;
  const uid = await deps.apis.clusters.namespaceUid(name, namespace, signal);
  const remedy = uid
    ? fleetChange({ clusters: [{ name, operatorNamespaceUid: uid }] })
    : advice(`Let keyferry get namespace ${namespace}, or enter its uid as operatorNamespaceUid in fleet.yaml`);
  return finding("OPERATOR_NAMESPACE_DOUBTFUL", { ...whereOf(reached), what: warning, remedy });
}

/** Without a data directory, the one that wrote the mark may be this installation, seen from another machine. */
function otherMark(reached: Reached, installation: string): Finding {
  const { deps, settings } = reached;
  const { operatorNamespace: namespace } = settings;
  const isFirst = deps.installation === undefined;
  const removal = kubectl(deps.context, `delete configmap keyferry-installation -n ${namespace}`);
  const found = finding("OTHER_INSTALLATION", {
    cluster: settings.name,
    where: `ConfigMap ${namespace}/keyferry-installation`,
    what: isFirst
      ? `installation ${installation} of keyferry works here, and this data directory has none yet`
      : `installation ${installation} of keyferry works here, and this one is ${deps.installation}`,
    remedy: isFirst
      ? advice(
          `Use its data directory (--data-dir) if it is this installation. If it is another one, stop it first, and let this one take over: ${removal}`,
        )
      : commands([removal], ["First stop the other installation: this lets the next one that runs take over."]),
  });
  return isFirst ? { ...found, severity: "warning" } : found;
}

const HMAC_KEY = "vso-cc-storage-hmac-key";

/** The key of VSO's MACs. */
export const hmacKey: Check<Reached> = {
  subject: "HMAC key",
  async find({ deps, settings, signal }) {
    const { name: cluster, operatorNamespace: namespace } = settings;
    const where = `Secret ${namespace}/${HMAC_KEY}`;
    const found = await deps.apis.secrets.findHmacKey(cluster, namespace, signal);
    if (found.kind === "absent" && settings.makeHmacKey === false) {
      const what = "it does not exist, and fleet.yaml does not let keyferry create it";
      const remedy = fleetChange({ clusters: [{ name: cluster, makeHmacKey: true }] });
      return [finding("HMAC_KEY_MISSING", { cluster, where, what, remedy })];
    }
    if (found.kind !== "unusable") return [];
    // A missing right is among those that are checked.
    if (!found.why.startsWith("Secret ")) return [];
    const remedy = commands(
      [kubectl(deps.context, `delete secret ${HMAC_KEY} -n ${namespace}`)],
      [
        "keyferry, or Vault Secrets Operator at its next start, creates another key. MACs of the present one are of no use.",
      ],
    );
    return [finding("HMAC_KEY_UNUSABLE", { cluster, where, what: found.why, remedy })];
  },
};

const VSO_LABEL = "app.kubernetes.io/name=vault-secrets-operator";

/** Vault Secrets Operator at work. */
export const otherController: Check<Reached> = {
  subject: "Vault Secrets Operator",
  async find({ deps, settings, signal }) {
    const { name: cluster, operatorNamespace: namespace } = settings;
    const operator = (await deps.leases.cluster(cluster))?.state.operator;
    try {
      const how = { clusters: deps.apis.clusters, clock: deps.clock };
      await vsoMustBeGone(how, settings, operator === undefined ? {} : { operator }, signal);
      return [];
    } catch (error) {
      if (!(error instanceof SyncError) || error.code !== "OTHER_CONTROLLER") throw error;
      const remedy = commands(
        [kubectl(deps.context, `scale deployment -n ${namespace} -l ${VSO_LABEL} --replicas=0`)],
        [
          "Stops the operator; keyferry takes over within a minute, without a write to a Secret (docs/from-vso.md).",
          "Or list under besideVso in fleet.yaml the namespaces in which both may work.",
        ],
      );
      const where = `Lease ${namespace}/${VSO_LEASE}`;
      return [finding("VSO_AT_WORK", { cluster, where, what: error.message, remedy })];
    }
  },
};
