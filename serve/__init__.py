"""The container: SageMaker's contract around one engine that draws."""
