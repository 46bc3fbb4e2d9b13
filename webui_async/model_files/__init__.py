"""What lies in a model pack: safetensors headers, model families, checkpoint yamls, the tree itself."""
