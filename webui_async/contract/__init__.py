"""What crosses a process boundary: keys, jobs, payloads, errors, settings, signatures.

Standard library only, no input or output, Python 3.10 and later: `python -I -S` imports it alone.
"""
