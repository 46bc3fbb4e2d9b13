"""Traffic and scaling policies in, waits, GPU hours and cost out, before anything is paid for."""
