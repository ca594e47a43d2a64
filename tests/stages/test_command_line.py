"""run_command in this process: words of the command line, exit codes and messages."""

import errno

import pytest

from starlabels.base.errors import UserError
from starlabels.stages.command_line import INTERRUPTED, run_command


def add_number(parser):
    parser.add_argument("--number", type=int, default=0)


def test_the_stage_gets_the_run_and_the_arguments(make_config):
    cfg = make_config()
    calls = []
    argv = ["--config", cfg.path, "--number", 3]
    run_command(lambda run, args: calls.append((run.text, args.number)), "", add_number, argv=argv)
    assert calls == [(cfg.text, 3)]


def test_a_script_without_a_recipe_has_no_run_and_no_config_option():
    calls = []
    run_command(lambda run, args: calls.append(run), "", recipe=lambda args: None, argv=[])
    assert calls == [None]
    with pytest.raises(SystemExit) as end:
        run_command(calls.append, "", recipe=lambda args: None, argv=["--config", "a.yaml"])
    assert end.value.code == 2


def test_the_configuration_is_printed_instead_of_running_the_stage(make_config, capsys):
    cfg = make_config()
    argv = ["--config", cfg.path, "--print-config"]
    run_command(lambda run, args: pytest.fail("the stage ran"), "", argv=argv)
    assert capsys.readouterr().out == cfg.text


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError("a.h5 not found: copy it"), 2, "a.h5 not found: copy it"),
        (OSError(errno.ENOSPC, "No space left", "a.h5"), 2, "a.h5: No space left"),
        (KeyboardInterrupt(), 130, INTERRUPTED),
    ],
)
def test_errors_of_a_user_are_one_line_and_an_exit_code(error, code, message, capsys):
    def fail(run, args):
        raise error

    with pytest.raises(SystemExit) as end:
        run_command(fail, "", recipe=lambda args: None, argv=[])
    assert end.value.code == code and capsys.readouterr().err == f"error: {message}\n"


def test_other_errors_are_bugs_and_pass_through():
    def fail(run, args):
        raise OSError(errno.EBADF, "Bad file descriptor")

    with pytest.raises(OSError, match="Bad file descriptor"):
        run_command(fail, "", recipe=lambda args: None, argv=[])
