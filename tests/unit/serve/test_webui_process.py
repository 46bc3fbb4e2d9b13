from __future__ import annotations

from serve.webui_process import describe_exit


def test_an_exit_is_told_with_its_usual_cause() -> None:
    assert "host memory" in describe_exit(-9)
    assert describe_exit(-11) == "was ended by signal 11" and describe_exit(3) == "exited with code 3"
