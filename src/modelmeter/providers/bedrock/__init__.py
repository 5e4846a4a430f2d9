"""AWS Bedrock's dialect."""
