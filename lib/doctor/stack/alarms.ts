import { DescribeAlarmsCommand } from "@aws-sdk/client-cloudwatch";
import { finding } from "../finding.ts";
import { advice } from "../remedies.ts";
import { resourcesOf, type StackCheck } from "./context.ts";

/** The alarms that ring; their descriptions say what to do. */
export const alarms: StackCheck = {
  subject: "alarms",
  async find(stack) {
    const names = resourcesOf(stack, "AWS::CloudWatch::Alarm").map(({ id }) => id);
    if (names.length === 0) return [];
    const command = new DescribeAlarmsCommand({ AlarmNames: names.slice(0, 100), StateValue: "ALARM" });
    const { MetricAlarms = [] } = await stack.clients.cloudWatch.send(command, { abortSignal: stack.signal });
    return MetricAlarms.filter(({ StateValue }) => StateValue === "ALARM").map(
      ({ AlarmName = "", AlarmDescription }) => {
        const logical = stack.resources.find(({ id }) => id === AlarmName)?.logicalId ?? AlarmName;
        const remedy = advice(AlarmDescription ?? "Look at the metric of the alarm.");
        return finding("ALARM_RINGS", { where: `alarm ${logical}`, what: "it is in state ALARM", remedy });
      },
    );
  },
};
