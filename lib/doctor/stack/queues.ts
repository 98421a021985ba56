import { GetMetricStatisticsCommand } from "@aws-sdk/client-cloudwatch";
import { GetQueueAttributesCommand, type Message, ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import { MINUTE_MS, SECOND_MS } from "../../clock.ts";
import { shellWord } from "../../util/shell.ts";
import { type Finding, finding } from "../finding.ts";
import { advice, commands, some } from "../remedies.ts";
import { type ExaminedStack, resourcesOf, type StackCheck, type StackResource } from "./context.ts";

const DEAD = /DeadLetters$/;

/** How long work may wait; lane refresh catches up for longer after an outage. */
const LATE_MS = 10 * MINUTE_MS;
/** CloudWatch has values of SQS a few minutes later. */
const WINDOW_MS = 15 * MINUTE_MS;

/** Queues whose oldest message waits for too long, by the same metric as the alarms. */
export const queueAges: StackCheck = {
  subject: "age of messages",
  async find(stack) {
    const queues = resourcesOf(stack, "AWS::SQS::Queue").filter(({ logicalId }) => !DEAD.test(logicalId));
    return (await Promise.all(queues.map((queue) => ageOf(stack, queue)))).flat();
  },
};

async function ageOf({ clients, clock, signal }: ExaminedStack, { logicalId, id }: StackResource) {
  const now = clock();
  const command = new GetMetricStatisticsCommand({
    Namespace: "AWS/SQS",
    MetricName: "ApproximateAgeOfOldestMessage",
    Dimensions: [{ Name: "QueueName", Value: nameOf(id) }],
    StartTime: new Date(now - WINDOW_MS),
    EndTime: new Date(now),
    Period: 60,
    Statistics: ["Maximum"],
  });
  const { Datapoints = [] } = await clients.cloudWatch.send(command, { abortSignal: signal });
  const latest = Datapoints.toSorted((a, b) => Number(b.Timestamp ?? 0) - Number(a.Timestamp ?? 0))[0];
  const ageMs = (latest?.Maximum ?? 0) * SECOND_MS;
  if (ageMs < LATE_MS) return [];
  const what = `its oldest message waits for ${Math.round(ageMs / MINUTE_MS)} minutes`;
  const remedy = advice(
    "Read the log of the function behind it; raise its concurrency in the stack's settings if it has no errors.",
  );
  return [finding("QUEUE_LATE", { where: `queue ${logicalId}`, what, remedy })];
}

/** Dead letters, with the reasons that keyferry wrote. */
export const deadLetters: StackCheck = {
  subject: "dead letters",
  async find(stack) {
    const queues = resourcesOf(stack, "AWS::SQS::Queue").filter(({ logicalId }) => DEAD.test(logicalId));
    return (await Promise.all(queues.map((queue) => lettersIn(stack, queue)))).flat();
  },
};

/** As many as one request returns. */
const SHOWN = 10;

async function lettersIn(
  { clients, signal }: ExaminedStack,
  { logicalId, id }: StackResource,
): Promise<readonly Finding[]> {
  const command = new GetQueueAttributesCommand({
    QueueUrl: id,
    AttributeNames: ["ApproximateNumberOfMessages", "QueueArn"],
  });
  const { Attributes: attributes = {} } = await clients.sqs.send(command, { abortSignal: signal });
  const count = Number(attributes.ApproximateNumberOfMessages ?? 0);
  if (count === 0) return [];
  // They stay visible, and stay.
  const read = new ReceiveMessageCommand({
    QueueUrl: id,
    MaxNumberOfMessages: SHOWN,
    VisibilityTimeout: 0,
    MessageAttributeNames: ["reason"],
  });
  const { Messages = [] } = await clients.sqs.send(read, { abortSignal: signal });
  const reasons = [...new Set(Messages.map(reasonOf))];
  return [
    finding("DEAD_LETTERS", {
      where: `queue ${logicalId}`,
      what: `it has ${count} messages: ${some(reasons)}`,
      remedy: commands(
        [`aws sqs start-message-move-task --source-arn ${shellWord(attributes.QueueArn ?? "")}`],
        [
          "Tries them again, after the reason is mended. Late and repeated messages do no harm, and nothing is lost by",
          `deleting them either: aws sqs purge-queue --queue-url ${id}`,
        ],
      ),
    }),
  ];
}

function reasonOf({ MessageAttributes: attributes }: Message): string {
  return attributes?.reason?.StringValue ?? "a function crashed on it three times";
}

/** The last part of a queue's URL. */
function nameOf(url: string): string {
  return url.split("/").at(-1) ?? url;
}
