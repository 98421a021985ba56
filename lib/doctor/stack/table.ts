import { DescribeTableCommand } from "@aws-sdk/client-dynamodb";
import { finding } from "../finding.ts";
import { advice } from "../remedies.ts";
import { resourcesOf, type StackCheck } from "./context.ts";

/** The lease table and its indexes. */
export const table: StackCheck = {
  subject: "lease table",
  async find(stack) {
    const [found] = resourcesOf(stack, "AWS::DynamoDB::Table");
    if (found === undefined) return [];
    const command = new DescribeTableCommand({ TableName: found.id });
    const { Table = {} } = await stack.clients.dynamo.send(command, { abortSignal: stack.signal });
    const indexes = Table.GlobalSecondaryIndexes ?? [];
    const building = indexes
      .filter(({ IndexStatus }) => IndexStatus === "CREATING" || IndexStatus === "DELETING")
      .map(({ IndexName }) => IndexName);
    const usable = Table.TableStatus === "ACTIVE" || Table.TableStatus === "UPDATING";
    if (usable && building.length === 0) return [];
    const what = usable ? `its indexes ${building.join(", ")} are not active` : `its state is ${Table.TableStatus}`;
    const remedy = advice("Wait until AWS has finished; an index of a large table takes minutes to hours.");
    return [finding("TABLE_UNUSABLE", { where: `table ${found.id}`, what, remedy })];
  },
};
