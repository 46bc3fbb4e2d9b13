"""The five Lambda functions. Each module has one `handler`; they meet the container in S3 only."""
