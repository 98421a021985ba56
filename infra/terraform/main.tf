# Deploys a packaged keyferry with Terraform: docs/aws.md, "With Terraform". Package it first, with the setting deploymentBucket.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "package" {
  description = "The folder of npx serverless package --package FOLDER"
  type        = string
}

variable "stack" {
  description = "The name of the stack, as the package has it: keyferry-STAGE"
  type        = string
}

locals {
  template_file = "${var.package}/cloudformation-template-update-stack.json"
  # Where the template looks for the code of each function. A package without the setting deploymentBucket has no names here.
  code = {
    for name, resource in jsondecode(file(local.template_file)).Resources :
    name => { bucket = tostring(resource.Properties.Code.S3Bucket), key = resource.Properties.Code.S3Key }
    if resource.Type == "AWS::Lambda::Function"
  }
  bucket = one(distinct([for code in values(local.code) : code.bucket]))
  folder = dirname(values(local.code)[0].key)
}

resource "aws_s3_bucket" "packages" {
  bucket = local.bucket
}

resource "aws_s3_bucket_public_access_block" "packages" {
  bucket                  = aws_s3_bucket.packages.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# Old code goes after the stack was updated, so that a failed update can be rolled back.
resource "aws_s3_object" "code" {
  for_each = local.code
  bucket   = aws_s3_bucket.packages.id
  key      = each.value.key
  source   = "${var.package}/${basename(each.value.key)}"
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_s3_object" "template" {
  bucket = aws_s3_bucket.packages.id
  key    = "${local.folder}/template.json"
  source = local.template_file
  lifecycle {
    create_before_destroy = true
  }
}

# The template is longer than template_body may be.
resource "aws_cloudformation_stack" "keyferry" {
  name         = var.stack
  template_url = "https://${aws_s3_bucket.packages.bucket_regional_domain_name}/${aws_s3_object.template.key}"
  capabilities = ["CAPABILITY_IAM"]
  depends_on   = [aws_s3_object.code, aws_s3_bucket_public_access_block.packages]
}

output "fleet_location" {
  value = aws_cloudformation_stack.keyferry.outputs["FleetLocation"]
}
