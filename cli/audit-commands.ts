import { type Command, Option } from "commander";
import { LOG_LEVELS } from "../lib/telemetry/log.ts";
import { type RelayFlags, relayCommand } from "./audit-relay.ts";

const RELAY_HELP = `
Examples:
  $ keyferry audit relay --to https://keyferry.example.com/main --key-file post.key --listen 127.0.0.1:9467
  $ keyferry audit relay --to https://keyferry.example.com/main --key-file post.key --follow /var/log/vault/audit.log

Runs beside Vault or OpenBao, until Ctrl-C. With --listen it answers the http device before it forwards, so that a
receiver that does not answer delays nothing. What it can't forward waits in memory, up to 32 MiB. Beyond that it drops
lines, says so, and makes the receiver look at all syncs. With --follow nothing is dropped: the file itself is the
memory.
Exit codes: 0 stopped, 2 bad input.`;

/** Adds the commands about Vault's audit lines: audit relay. */
export function auditCommands(cli: Command, exitWith: (code: number) => void): void {
  const audit = cli.command("audit").description("bring Vault's audit lines to keyferry");
  audit
    .command("relay")
    .description("sign audit lines of this machine, and forward them to an inlet")
    .requiredOption("--to <url>", "URL of the inlet: https, or http on this machine")
    .requiredOption("--key-file <file>", "key of the inlet, at least 32 characters; the first line signs")
    .option("--listen <address>", "take POSTs of OpenBao's http device there, on loopback only")
    .option("--follow <file>", "follow this audit file")
    .option("--bearer-file <file>", "token that POSTs must have")
    .option("--ca-file <file>", "CA certificates of the inlet, as PEM; not set: the system's")
    .option("--data-dir <path>", "folder for the position in the followed file", ".keyferry-relay")
    .addOption(
      new Option("--log-level <level>", "lowest level of logged events")
        .choices([...LOG_LEVELS])
        .env("KEYFERRY_LOG_LEVEL")
        .default("info"),
    )
    .addHelpText("after", RELAY_HELP)
    .action(async (flags: RelayFlags) => exitWith(await relayCommand(flags)));
}
