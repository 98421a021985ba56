/**
 * What the functions may do for clusters in EKS: the settings eksClusters and eksRoles, as ARNs. Without them there is
 * no policy, since IAM knows no empty list of resources.
 */
function permissionsFor({ eksClusters = [], eksRoles = [] }) {
  const Statement = [
    ...allowed("EksClusters", "eks:DescribeCluster", eksClusters),
    ...allowed("EksRoles", "sts:AssumeRole", eksRoles),
  ];
  if (Statement.length === 0) return {};
  const policy = (role) => ({
    Type: "AWS::IAM::Policy",
    Properties: {
      PolicyName: "eks-clusters",
      Roles: [{ Ref: role }],
      PolicyDocument: { Version: "2012-10-17", Statement },
    },
  });
  return { Resources: { DiscoverEksPolicy: policy("DiscoverRole"), ReconcileEksPolicy: policy("ReconcileRole") } };
}

function allowed(Sid, Action, Resource) {
  return Resource.length === 0 ? [] : [{ Sid, Effect: "Allow", Action, Resource }];
}

/** For serverless.yml */
module.exports = async ({ resolveVariable }) =>
  permissionsFor({
    eksClusters: (await resolveVariable("self:custom.settings.eksClusters, null")) ?? [],
    eksRoles: (await resolveVariable("self:custom.settings.eksRoles, null")) ?? [],
  });
module.exports.permissionsFor = permissionsFor;
