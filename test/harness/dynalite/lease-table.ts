import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { CreateTableCommandInput } from "@aws-sdk/client-dynamodb";
import { parse } from "yaml";

interface Template {
  readonly Resources: { readonly LeaseTable: { readonly Properties: CreateTableCommandInput } };
}

/** The table of infra/table.yml, as far as every DynamoDB API knows it. */
export function leaseTable(): Omit<CreateTableCommandInput, "TableName"> {
  const file = join(import.meta.dirname, "../../../infra/table.yml");
  const { Properties } = (parse(readFileSync(file, "utf8")) as Template).Resources.LeaseTable;
  const { BillingMode, KeySchema, AttributeDefinitions, GlobalSecondaryIndexes } = Properties;
  return { BillingMode, KeySchema, AttributeDefinitions, GlobalSecondaryIndexes };
}
