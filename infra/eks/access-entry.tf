# The same as access-entry.yml, for Terraform.
variable "cluster" { type = string }
variable "keyferry_role_arns" { type = list(string) }
variable "external_id" { type = string }

data "aws_eks_cluster" "this" {
  name = var.cluster
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = var.keyferry_role_arns
    }
    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [var.external_id]
    }
  }
}

data "aws_iam_policy_document" "describe" {
  statement {
    actions   = ["eks:DescribeCluster"]
    resources = [data.aws_eks_cluster.this.arn]
  }
}

resource "aws_iam_role" "keyferry" {
  name_prefix        = "keyferry-access-"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "describe" {
  name   = "describe"
  role   = aws_iam_role.keyferry.id
  policy = data.aws_iam_policy_document.describe.json
}

resource "aws_eks_access_entry" "keyferry" {
  cluster_name      = data.aws_eks_cluster.this.name
  principal_arn     = aws_iam_role.keyferry.arn
  kubernetes_groups = ["keyferry"]
  type              = "STANDARD"
}

output "role_arn" {
  value = aws_iam_role.keyferry.arn
}
