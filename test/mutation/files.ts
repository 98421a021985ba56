/** What one process of tests runs: each file registers its tests, which run in this order. */
import { FILES_VARIABLE } from "./load.ts";

for (const url of JSON.parse(process.env[FILES_VARIABLE] ?? "[]") as string[]) await import(url);
