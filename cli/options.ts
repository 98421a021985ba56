import { InvalidArgumentError, Option } from "commander";
import { DURATION_HINT, parseDuration } from "../lib/duration.ts";

export const DEFAULT_FLEET = "fleet.yaml";
const DEFAULT_DATA_DIR = ".keyferry";
export const DEFAULT_LISTEN = "127.0.0.1:9464";
export const DEFAULT_SYNC_SERIES = 1_000;

export function fleetOption(): Option {
  return new Option("-f, --fleet <file>", "file with the clusters").env("KEYFERRY_FLEET").default(DEFAULT_FLEET);
}

export function dataDirOption(): Option {
  return new Option("-d, --data-dir <dir>", "directory of the lease table and the keys")
    .env("KEYFERRY_DATA_DIR")
    .default(DEFAULT_DATA_DIR);
}

export function stackOption(): Option {
  return new Option("--stack <name>", "CloudFormation stack of keyferry on AWS").env("KEYFERRY_STACK");
}

export function outputOption(): Option {
  return new Option("-o, --output <format>", "output format").choices(["table", "json"]).default("table");
}

export function injectorListenOption(): Option {
  const description = "HTTPS address of the injector's webhook; none disables it; default: injector.listen in the file";
  return new Option("--injector-listen <address>", description).env("KEYFERRY_INJECTOR_LISTEN");
}

export function eventsUrlOption(): Option {
  const about = "webhook for domain events, signed with the key in --events-key-file";
  return new Option("--events-url <url>", about).env("KEYFERRY_EVENTS_URL");
}

export function eventsKeyFileOption(): Option {
  const about = "file whose first line is the key of the webhook's signatures";
  return new Option("--events-key-file <file>", about).env("KEYFERRY_EVENTS_KEY_FILE");
}

export function acceptMissingOption(): Option {
  return new Option(
    "--accept-missing <cluster...>",
    "clusters in which more than 10 and a fifth of the declarations were deleted on purpose, or hub:NAME for a hub whose clusters left on purpose",
  ).default([]);
}

export function waitTime(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError(DURATION_HINT);
  return ms;
}

export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("must be a whole number, 0 or more");
  return Number(text);
}
