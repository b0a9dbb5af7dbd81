# segment-intercom as a CloudFormation stack that Terraform keeps, from an unpacked release.
# docs/deploy.md has the steps.

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
  description = "Folder of the unpacked release, such as ./segment-intercom-VERSION."
  type        = string
}

variable "bucket" {
  description = "An existing S3 bucket in the stack's region, for the function's code and the template."
  type        = string
}

variable "name" {
  description = "Name of the stack, and with it of its queues and metrics."
  type        = string
  default     = "segment-intercom"

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,63}$", var.name))
    error_message = "Use letters, digits and -, with a letter first, 64 at most: the names of queues and of the EventBridge rule are made from it."
  }
}

variable "architecture" {
  description = "Processor of the function."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Use arm64 or x86_64."
  }
}

variable "parameters" {
  description = "Parameters of the template, as text (docs/api.md, Settings). What isn't named has the template's default."
  type        = map(string)
  default     = {}
}

locals {
  template = file("${var.package}/template-${var.architecture}.yaml")
  # The template's only CodeUri names the zip beside it.
  code = regex("CodeUri: (\\S+\\.zip)\n", local.template)[0]
}

# Both objects have their content in their name, so that CloudFormation sees a change, and the old
# ones are there until the new ones are in use: a stack that is rolled back still needs them.
resource "aws_s3_object" "code" {
  bucket      = var.bucket
  key         = "${var.name}/${filesha256("${var.package}/${local.code}")}.zip"
  source      = "${var.package}/${local.code}"
  source_hash = filesha256("${var.package}/${local.code}")

  lifecycle {
    create_before_destroy = true
  }
}

locals {
  deployed_template = replace(
    local.template, "CodeUri: ${local.code}", "CodeUri: s3://${aws_s3_object.code.bucket}/${aws_s3_object.code.key}"
  )
}

# In S3, since a template that is sent along may have 51,200 bytes at most.
resource "aws_s3_object" "template" {
  bucket       = var.bucket
  key          = "${var.name}/${sha256(local.deployed_template)}.yaml"
  content      = local.deployed_template
  content_type = "application/yaml"

  lifecycle {
    create_before_destroy = true
  }
}

data "aws_s3_bucket" "package" {
  bucket = var.bucket
}

resource "aws_cloudformation_stack" "this" {
  name         = var.name
  template_url = "https://${data.aws_s3_bucket.package.bucket_regional_domain_name}/${aws_s3_object.template.key}"
  # Roles of the function and of Segment; the SAM transform.
  capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
  parameters   = merge(var.parameters, { Architecture = var.architecture })
}

output "endpoint_url" {
  description = "What Segment's SDKs use as their host; /webhook for Segment's webhooks."
  value       = aws_cloudformation_stack.this.outputs["EndpointUrl"]
}

output "secret_arn" {
  description = "The secret to fill, outside of Terraform: its state would hold the token and the keys."
  value       = aws_cloudformation_stack.this.outputs["SecretArn"]
}

output "outputs" {
  description = "All outputs of the stack."
  value       = aws_cloudformation_stack.this.outputs
}
