"""A terminal gets only letters that it can show, no traceback and no raw bytes."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lkm_tune.app.errors import LONGEST, LkmTuneError, sentence, user_errors
from lkm_tune.cli.live import left_text

LKM_TUNE = str(Path(sys.executable).with_name("lkm-tune"))
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(
    ("environment", "encoding", "gamma", "radius"),
    [
        (ASCII, "ascii", "strength gamma of", "radius, A"),
        ({"PYTHONIOENCODING": "latin-1"}, "latin-1", "strength gamma of", "radius, Å"),
        ({"PYTHONIOENCODING": "utf-8"}, "utf-8", "strength γ of", "radius, Å"),
    ],
)
def test_letters_that_a_terminal_lacks_are_spelled(environment, encoding, gamma, radius):
    """Both click and print write to the same stream."""
    program = (
        "from lkm_tune.cli import main\n"
        "from lkm_tune.cli.terminal import prepare_output\n"
        "prepare_output()\n"
        "print('radius, \\xc5 and a name that is no text: \\udcff')\n"
        "main(['--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    output = done.stdout.decode(encoding)
    assert gamma in output and radius in output and "no text: ?" in output


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("a\nb"), "a\nb"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 3000), "x" * 100),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "d"), "[Errno 21] Is a directory: 'd'"),
        (MemoryError(), "the input needs more memory than this machine has"),
        (RecursionError("maximum recursion depth"), "the input is nested too deeply"),
        (ValueError("\x00\x1b[31m\udcff"), "\\x00\\x1b[31m\\udcff"),
        (ValueError("line\n" * 5000), "... and 4901 more lines"),
    ],
)
def test_errors_of_users_are_sentences(error, said):
    with pytest.raises(LkmTuneError) as raised, user_errors():
        raise error
    assert said in str(raised.value)
    assert str(raised.value) == sentence(error)
    assert max(map(len, str(raised.value).split("\n"))) <= LONGEST + len("...")


def test_a_verb_that_is_given_what_it_cannot_open(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)))
    for arguments in (
        ["check", str(tmp_path)],
        ["check", str(file)],
        ["check", "n" * 300],
        ["report", "--storage", str(tmp_path / ("n" * 300))],
        ["export", "--study", "s", "--model", "m", "--task", "t", "--storage", str(file / "x")],
        ["predict", "--model", str(file), str(file)],
    ):
        done = subprocess.run([LKM_TUNE, *arguments], capture_output=True, text=True)
        assert done.returncode in (1, 2), arguments
        assert "Traceback" not in done.stderr and "Error: " in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("seconds", "look", "text"),
    [
        (None, None, "time left unknown"),
        (None, 3, "time until the look at 3 seeds unknown"),
        (59, None, "less than a minute left"),
        (120, 5, "about 2 min until the look at 5 seeds"),
        (7200, None, "about 2.0 h left"),
    ],
)
def test_the_time_left_ends_at_the_next_look(seconds, look, text):
    assert left_text(seconds, look) == text
