"""Run scripts, modules and code in a process that has imported TensorFlow already.

The import takes longer than most scripts. As a program, this module answers each JSON line
{folder, words} or {folder, code} of its input with {code, output}: exit code and output.
"""

import contextlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from pathlib import Path

TIME_LIMIT = 900.0  # seconds for an answer


class Runner:
    """A process that runs this module as a program."""

    def __init__(self, root):
        environment = os.environ | {"PYTHONPATH": str(root)}
        command = [sys.executable, __file__]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=environment, **pipes)

    def run(self, **request):
        """(exit code, output) of a request."""
        timer = threading.Timer(TIME_LIMIT, self.process.kill)
        timer.start()
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
        finally:
            timer.cancel()
        assert answer, f"{request}: the process ended, or took {TIME_LIMIT:g} s"
        return tuple(json.loads(answer).values())

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def run_words(words):
    """Exit code of a script, or of a module after -m; a traceback is printed as python does."""
    module = words[0] == "-m"
    if "keras" in sys.modules:  # names of layers count anew, as in a process of its own
        sys.modules["keras"].utils.clear_session(free_memory=False)
    sys.argv = words[module:]
    try:
        if module:
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def run_code(code):
    """Exit code of a piece of Python."""
    try:
        exec(compile(code, "code", "exec"), {})
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


@contextlib.contextmanager
def redirected(output, errors):
    """Send what Python and C write to the descriptors 1 and 2 to open files."""
    streams = sys.stdout, sys.stderr
    for stream in streams:
        stream.flush()
    saved = os.dup(1), os.dup(2)
    os.dup2(output.fileno(), 1)
    os.dup2(errors.fileno(), 2)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = streams
        for number, descriptor in enumerate(saved, start=1):
            os.dup2(descriptor, number)
            os.close(descriptor)


def print_warning(message, category, filename, lineno, file=None, line=None):
    """Print a warning on stderr, also where pytest collects them."""
    sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


def run_captured(words):
    """(exit code, stdout, stderr) of a script or module that runs in this process.

    Warnings are printed as in a process of its own.
    """
    argv, folder = sys.argv, Path.cwd()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            with redirected(output, errors), warnings.catch_warnings():
                warnings.resetwarnings()
                for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning):
                    warnings.simplefilter("ignore", category)
                warnings.simplefilter("ignore", ResourceWarning)
                warnings.showwarning = print_warning
                code = run_words(words)
        finally:
            sys.argv = argv
            os.chdir(folder)
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return code, *texts


def serve():
    """Answer all lines of the input; figures become empty files, and outlier decoders train once.

    Figures and decoders have tests of their own.
    """
    from matplotlib.figure import Figure

    from starlabels.learning import outliers

    Figure.savefig = lambda figure, path, **_: Path(path).write_bytes(b"")
    outliers.PASSES = 1
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        os.chdir(request.pop("folder"))
        with tempfile.TemporaryFile() as output:
            with redirected(output, output):
                code = run_code(**request) if "code" in request else run_words(**request)
            output.seek(0)
            text = output.read().decode(errors="replace")
        print(json.dumps({"code": code, "output": text}), file=answers, flush=True)


if __name__ == "__main__":
    serve()
