/** The URL of the injector's webhook, with its alarms. Only with the setting injectorFleet: anyone may call it. */
function injectorUrl(alarmTopics) {
  const FunctionName = { "Fn::GetAtt": ["InjectLambdaFunction", "Arn"] };
  return {
    Resources: {
      // API servers can't sign requests for AWS: a key in the path decides.
      InjectUrl: { Type: "AWS::Lambda::Url", Properties: { TargetFunctionArn: FunctionName, AuthType: "NONE" } },
      // URLs made since October 2025 need both permissions.
      InjectUrlPermission: permission({
        FunctionName,
        Action: "lambda:InvokeFunctionUrl",
        FunctionUrlAuthType: "NONE",
      }),
      InjectPermission: permission({ FunctionName, Action: "lambda:InvokeFunction", InvokedViaFunctionUrl: true }),
      ...alarms(alarmTopics),
    },
    Outputs: {
      InjectorUrl: {
        Description: "The value of injector.url in fleet.yaml",
        Value: { "Fn::GetAtt": ["InjectUrl", "FunctionUrl"] },
      },
    },
  };
}

function permission(Properties) {
  return { Type: "AWS::Lambda::Permission", Properties: { Principal: "*", ...Properties } };
}

function alarms(alarmTopics) {
  const alarm = (AlarmDescription, MetricName, Properties) => ({
    Type: "AWS::CloudWatch::Alarm",
    Properties: {
      AlarmDescription,
      Namespace: "AWS/Lambda",
      MetricName,
      Dimensions: [{ Name: "FunctionName", Value: { Ref: "InjectLambdaFunction" } }],
      ComparisonOperator: "GreaterThanThreshold",
      TreatMissingData: "notBreaching",
      AlarmActions: alarmTopics,
      ...Properties,
    },
  });
  const once = { Statistic: "Sum", Period: 60, EvaluationPeriods: 1, Threshold: 0 };
  return {
    InjectFailuresAlarm: alarm(
      "The injector's webhook answers with 5xx, so that clusters refuse annotated pods. The log of inject says why under review-crashed; docs/injector.md has the way out.",
      "Url5xxCount",
      once,
    ),
    InjectThrottlesAlarm: alarm(
      "AWS throttles the injector's webhook, so that clusters refuse annotated pods. Raise injectorConcurrency or the account's concurrency, or find out who else calls the URL.",
      "Throttles",
      once,
    ),
    InjectSlowAlarm: alarm(
      "One of a hundred answers of the injector's webhook takes longer than a second. API servers wait for 5 seconds; look for cold starts and very large pods.",
      "UrlRequestLatency",
      { ExtendedStatistic: "p99", Period: 300, EvaluationPeriods: 3, Threshold: 1_000 },
    ),
  };
}

/** For serverless.yml */
module.exports = async ({ resolveVariable }) => {
  const fleet = await resolveVariable("self:custom.settings.injectorFleet, null");
  return fleet ? injectorUrl((await resolveVariable("self:custom.settings.alarmTopics, null")) ?? []) : {};
};
module.exports.injectorUrl = injectorUrl;
