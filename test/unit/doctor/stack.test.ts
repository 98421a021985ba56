import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { exitCodeOf } from "../../../cli/doctor-view.ts";
import type { ExaminedStack } from "../../../lib/doctor/stack/context.ts";
import { examineStack } from "../../../lib/doctor/stack/examine-stack.ts";

const denied = Object.assign(new Error("x"), { name: "AccessDenied" });

/** A stack for which AWS answers with this, or refuses. */
function stack(isWorking: boolean, answers: Readonly<Record<string, object>>): Omit<ExaminedStack, "resources"> {
  const client = {
    send: async (command: object) => {
      const answer = answers[command.constructor.name];
      if (answer === undefined) throw denied;
      return answer;
    },
  };
  const clients = { cloudFormation: client, cloudWatch: client, dynamo: client, lambda: client, sqs: client };
  const rest = { name: "keyferry-prod", isWorking, clock: Date.now, signal: new AbortController().signal };
  return { ...rest, clients } as unknown as Omit<ExaminedStack, "resources">;
}

const DONE = { DescribeStacksCommand: { Stacks: [{ StackStatus: "UPDATE_COMPLETE" }] } };
const QUEUE = { ResourceType: "AWS::SQS::Queue", LogicalResourceId: "NowQueue", PhysicalResourceId: "https://q/now" };
const LISTED = { ListStackResourcesCommand: { StackResourceSummaries: [QUEUE] } };

describe("a stack whose resources AWS does not list", () => {
  it("is an error, since nobody knows whether anything in it works", async () => {
    const found = await examineStack(stack(true, DONE));
    assert.deepEqual(
      found.map(({ code, severity }) => [code, severity]),
      [["STACK_NOT_CHECKED", "error"]],
    );
    assert.match(found[0]?.what ?? "", /AWS denies it \(AccessDenied\): check your own permissions/);
    assert.doesNotMatch(found[0]?.why ?? "", /complete/);
    assert.equal(exitCodeOf(found), 1);
  });

  it("hides neither that the engine stopped, nor a deployment that failed", async () => {
    const failed = { DescribeStacksCommand: { Stacks: [{ StackStatus: "UPDATE_ROLLBACK_FAILED" }] } };
    const codes = (await examineStack(stack(false, failed))).map(({ code }) => code);
    assert.deepEqual(codes.toSorted(), ["ENGINE_STOPPED", "STACK_NOT_CHECKED", "STACK_UNFINISHED"]);
  });
});

it("metrics that AWS denies do not hide that the engine stopped", async () => {
  const codes = (await examineStack(stack(false, { ...DONE, ...LISTED }))).map(({ code }) => code);
  assert.ok(codes.includes("ENGINE_STOPPED") && codes.includes("CHECK_FAILED"), codes.join());
});
