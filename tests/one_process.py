"""Runs scripts, modules and code one after another in one process, for to start TensorFlow takes longer than most of them.

Of each JSON line {folder, words} or {folder, code} that it reads it answers {code, said}: exit code and output.
"""

import json
import os
import runpy
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

LONGEST = 900.0  # seconds that an answer may take


class Runner:
    """That process, seen from outside."""

    def __init__(self, root):
        environment = os.environ | {"PYTHONPATH": str(root)}
        command = [sys.executable, __file__]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=environment, **pipes)

    def run(self, **asked):
        """(exit code, output) of what is asked."""
        watch = threading.Timer(LONGEST, self.process.kill)
        watch.start()
        try:
            print(json.dumps(asked), file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
        finally:
            watch.cancel()
        assert answer, f"{asked}: the process ended, or took {LONGEST:g} s"
        return tuple(json.loads(answer).values())

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def call(words=None, code=None):
    """Exit code of a script, of a module after -m, or of code."""
    try:
        if code:
            exec(compile(code, "code", "exec"), {})
        else:
            module = words[0] == "-m"
            sys.argv = words[module:]
            runpy.run_module(words[1], run_name="__main__") if module else runpy.run_path(
                words[0], run_name="__main__"
            )
    except SystemExit as end:
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def serve():
    """Answer all lines of standard input; figures are empty files, for others draw them, and decoders are trained once."""
    from matplotlib.figure import Figure

    from starlabels.learning import outliers

    Figure.savefig = lambda figure, path, **_: Path(path).write_bytes(b"")
    outliers.PASSES = 1
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        asked = json.loads(line)
        os.chdir(asked.pop("folder"))
        with tempfile.TemporaryFile() as output:
            os.dup2(output.fileno(), 1), os.dup2(output.fileno(), 2)
            code = call(**asked)
            sys.stdout.flush(), sys.stderr.flush()
            output.seek(0)
            said = output.read().decode(errors="replace")
        print(json.dumps({"code": code, "said": said}), file=answers, flush=True)


if __name__ == "__main__":
    serve()
