import { type Command, Option } from "commander";
import { type CheckFlags, checkCommand } from "./injector/check.ts";
import { type KeyFlags, keyCommand } from "./injector/key.ts";
import { type ManifestsFlags, manifestsCommand } from "./injector/manifests.ts";
import { type PackageFlags, packageCommand } from "./injector/package.ts";
import { type RenderFlags, renderCommand } from "./injector/render.ts";
import { dataDirOption, fleetOption, outputOption } from "./options.ts";

const KEY_HELP = `
Examples:
  $ keyferry injector key prod-eu > new.key && mv new.key prod-eu.key    a new key; fleet.yaml gets the printed hash
  $ keyferry injector key prod-eu --write > new.key && mv new.key prod-eu.key
                                              puts the hash into fleet.yaml, and keeps the one before it

To replace a key: make another one, deploy (or let keyferry run reload fleet.yaml), apply the new registration, and
remove the second hash.
Exit codes: 0 printed, 2 bad input.`;

const MANIFESTS_HELP = `
Examples:
  $ keyferry injector manifests prod-eu --key-file prod-eu.key | kubectl apply --server-side -f -
  $ keyferry injector manifests old --by namespace-label --key-file old.key    for Kubernetes before 1.28

Reads fleet.yaml, the key, and the CA certificates in --data-dir, and reaches no cluster. The output holds the key.
Exit codes: 0 printed, 2 bad input.`;

const CHECK_HELP = `
Examples:
  $ keyferry injector check prod-eu
  $ keyferry injector check prod-eu --namespace shop --kubeconfig ~/.kube/config --context me@prod-eu

With the CA certificates in --data-dir, also says whether the registration has them.

Creates three pods as a dry run, so that none exists afterwards: one without annotations, one that the webhook must
refuse, and one that it must inject. This needs the permission to create pods in the namespace, which keyferry itself does not have.
Exit codes: 0 injected, 1 not reached or not injected, 2 bad input.`;

const RENDER_HELP = `
Examples:
  $ keyferry injector render pod.yaml --cluster prod-eu
  $ kubectl get deployment web -o yaml | keyferry injector render - --cluster prod-eu

Takes a Pod, or a workload with a pod template. Reaches no cluster and no Vault.
Exit codes: 0 printed, 1 the webhook would refuse the pod, 2 bad input.`;

const PACKAGE_HELP = `
Examples:
  $ keyferry injector package --out build/functions/injector.json

The deployment does this with the setting injectorFleet. The output has hashes of keys, and no secret.
Exit codes: 0 written, 2 bad input.`;

/** Adds the commands about the admission webhook. */
export function injectorCommands(cli: Command, exitWith: (code: number) => void): void {
  const injector = cli
    .command("injector")
    .description("the admission webhook for pods with annotations of the Vault Agent Injector");
  injector
    .command("key")
    .description("make a key for the webhook's path, or one that replaces it")
    .argument("<cluster>", "name of the cluster in fleet.yaml")
    .addOption(fleetOption())
    .option("--write", "put the hash into fleet.yaml", false)
    .addHelpText("after", KEY_HELP)
    .action(async (name: string, flags: KeyFlags) => exitWith(await keyCommand(name, flags)));
  injector
    .command("manifests")
    .description("print the registration of the webhook for one cluster")
    .argument("<cluster>", "name of the cluster in fleet.yaml")
    .addOption(fleetOption())
    .addOption(dataDirOption())
    .option("--key-file <file>", "file with the key, - for stdin; default: the one that keyferry run manages")
    .addOption(
      new Option("--by <selection>", "which pods are sent to the webhook")
        .choices(["annotation", "namespace-label"])
        .default("annotation"),
    )
    .addOption(new Option("-o, --output <format>", "output format").choices(["yaml", "json"]).default("yaml"))
    .addHelpText("after", MANIFESTS_HELP)
    .action(async (name: string, flags: ManifestsFlags) => exitWith(await manifestsCommand(name, flags)));
  injector
    .command("check")
    .description("create pods as a dry run: is the webhook reached, does it inject, and how long does it take")
    .argument("<cluster>", "name of the cluster in fleet.yaml")
    .addOption(fleetOption())
    .addOption(dataDirOption())
    .option("-n, --namespace <name>", "namespace of the pods", "default")
    .option("--kubeconfig <file>", "kubeconfig to use instead of the cluster's connect")
    .option("--context <name>", "context in that kubeconfig; default: the current one")
    .addOption(outputOption())
    .addHelpText("after", CHECK_HELP)
    .action(async (name: string, flags: CheckFlags) => exitWith(await checkCommand(name, flags)));
  moreCommands(injector, exitWith);
}

function moreCommands(injector: Command, exitWith: (code: number) => void): void {
  injector
    .command("render")
    .description("print a pod as the webhook makes it")
    .argument("<file>", "file with a Pod or a workload, - for stdin")
    .addOption(fleetOption())
    .option("--cluster <name>", "cluster whose settings count")
    .option("-n, --namespace <name>", "namespace; default: that of the pod, or default")
    .addOption(new Option("-o, --output <format>", "output format").choices(["yaml", "json"]).default("yaml"))
    .addHelpText("after", RENDER_HELP)
    .action(async (file: string, flags: RenderFlags) => exitWith(await renderCommand(file, flags)));
  injector
    .command("package")
    .description("write the settings that the function on AWS is packaged with")
    .addOption(fleetOption())
    .option("--out <file>", "file to write; default: stdout")
    .addHelpText("after", PACKAGE_HELP)
    .action(async (flags: PackageFlags) => exitWith(await packageCommand(flags)));
}
