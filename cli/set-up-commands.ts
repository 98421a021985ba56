import { type Command, Option } from "commander";
import { FORMATS } from "./bootstrap/formats.ts";
import { type BootstrapCommandFlags, bootstrapCommand } from "./bootstrap.ts";
import { type InitFlags, initCommand, schemaCommand } from "./init.ts";
import { fleetOption } from "./options.ts";

const INIT_HELP = `
Examples:
  $ keyferry init                              writes ./fleet.yaml, and fleet.schema.json beside it for editors
  $ keyferry init --cluster prod-eu --vault-address https://vault.example.com:8200
  $ keyferry init prod/fleet.yaml

It overwrites no fleet.yaml.
Exit codes: 0 written, 2 bad input, or the file exists.`;

const BOOTSTRAP_HELP = `
Examples:
  $ keyferry bootstrap prod-eu -o crds | kubectl apply --server-side -f -    the resource definitions
  $ keyferry bootstrap prod-eu -o yaml | kubectl apply -f -      accounts, roles, VaultConnection, VaultAuth
  $ keyferry bootstrap prod-eu -o vault | sh                     login mount, policy and role in Vault (bao: OpenBao)
  $ keyferry bootstrap prod-eu -o connect | sh                   the kubeconfig or token file that fleet.yaml names
  $ keyferry bootstrap prod-eu -o terraform > prod-eu.tf         the Vault part for Terraform
  $ keyferry bootstrap prod-eu -o vault --kv 'kv/{namespace}/*' --dynamic database/creds/{namespace}

Reads only fleet.yaml, and reaches no cluster and no Vault. Prints no secret: the scripts read tokens with kubectl when
they run. Everything can be applied again; -o connect overwrites no file. MOUNT is the first part of MOUNT/PATH.
{namespace} in a path is the namespace of the service account that logs in.
Exit codes: 0 printed, 2 bad input.`;

/** Adds the commands that set keyferry up: init, bootstrap, schema. */
export function setUpCommands(cli: Command, exitWith: (code: number) => void): void {
  cli
    .command("init")
    .description("write a first fleet.yaml")
    .argument("[file]", "file to write", "fleet.yaml")
    .option("--cluster <name>", "name of the first cluster", "my-cluster")
    .option("--vault-address <url>", "Vault as keyferry reaches it", "https://vault.example.com:8200")
    .addHelpText("after", INIT_HELP)
    .action(async (file: string, flags: InitFlags) => exitWith(await initCommand(file, flags)));
  cli
    .command("schema")
    .description("print the JSON Schema of fleet.yaml, for editors")
    .action(() => exitWith(schemaCommand()));
  cli
    .command("bootstrap")
    .description("print everything that one cluster needs, in the cluster and in Vault")
    .argument("<cluster>", "name of the cluster in fleet.yaml")
    .addOption(fleetOption())
    .addOption(
      new Option("-o, --output <format>", "what to print").choices([...Object.keys(FORMATS), "json"]).default("yaml"),
    )
    .option("--account <namespace/name>", "service account that keyferry works with", "keyferry/keyferry")
    .option("--login-account <name>", "service account, in each namespace, that logs in to Vault", "vault")
    .option("--audience <text>", "audience of the tokens that log in to Vault", "vault")
    .option("--vault-address <url>", "address of Vault in the VaultConnection; default: the one in fleet.yaml")
    .option("--context <name>", "context for kubectl in the printed scripts; default: the current one")
    .option("--kv <mount/path...>", "kv-v2 paths that logins may read; default: kv/{namespace}/*", [])
    .option("--kv1 <mount/path...>", "kv-v1 paths that logins may read", [])
    .option("--dynamic <mount/path...>", "paths of dynamic secrets that logins may ask for", [])
    .option("--pki <mount/role...>", "PKI roles that logins may get certificates of", [])
    .option("--instant-updates", "logins may subscribe to events of these kv paths, for Vault Enterprise")
    .addHelpText("after", BOOTSTRAP_HELP)
    .action(async (cluster: string, flags: BootstrapCommandFlags) => exitWith(await bootstrapCommand(cluster, flags)));
}
