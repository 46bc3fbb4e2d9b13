"""Replays exchanges recorded from the stock webui v1.10.1 against any server that speaks /sdapi/v1."""
