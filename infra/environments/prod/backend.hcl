# S3 names are global. On a real account add -backend-config=bucket=$(terraform -chdir=../../bootstrap output -raw state_bucket)
bucket = "harness-workshop-tfstate"
region = "us-east-1"
