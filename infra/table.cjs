const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { parse } = require("yaml");

/** Indexes that the first version of the table did not have, in the order in which they are made. */
const ADDED = ["place", "renew", "unsent"];
/** What it had and is needed no more: removed last, so that every step before has a way back. */
const REMOVED = {
  IndexName: "source",
  KeySchema: [{ AttributeName: "source", KeyType: "HASH" }],
  Projection: { ProjectionType: "KEYS_ONLY" },
};

/**
 * The template of infra/table.yml as it is at a step of the way from the first version: CloudFormation makes or removes one index
 * in each update. A new stack needs no steps.
 */
function tableAt(step) {
  const template = parse(readFileSync(join(__dirname, "table.yml"), "utf8"));
  if (step === "last") return template;
  if (!["0", "1", "2", "3"].includes(String(step))) throw new Error(`tableStep must be 1, 2, 3 or last, not ${step}`);
  const table = template.Resources.LeaseTable.Properties;
  const later = ADDED.slice(Number(step));
  const indexes = table.GlobalSecondaryIndexes.filter(({ IndexName }) => !later.includes(IndexName));
  table.GlobalSecondaryIndexes = [...indexes, REMOVED];
  const used = new Set(["pk", "sk", ...table.GlobalSecondaryIndexes.flatMap(({ KeySchema }) => names(KeySchema))]);
  const defined = [...table.AttributeDefinitions, { AttributeName: "source", AttributeType: "S" }];
  table.AttributeDefinitions = defined.filter(({ AttributeName }) => used.has(AttributeName));
  return template;
}

function names(schema) {
  return schema.map(({ AttributeName }) => AttributeName);
}

/** For serverless.yml: `--param tableStep=1` */
module.exports = async ({ resolveVariable }) => tableAt(await resolveVariable("param:tableStep, 'last'"));
module.exports.tableAt = tableAt;
