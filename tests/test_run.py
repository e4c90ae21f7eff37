"""The runner of the test suite on small throw-away files: what fails, crashes, fills the memory or is skipped is told,
and the rest runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from pack.tests.record import events

RUNNER = Path(__file__).with_name("run.py")
GOOD = "def test_good():\n    pass\n"
FILES = {
    "test_a_good": GOOD + "def test_also_good():\n    pass\n",
    "test_b_bad": "def test_bad():\n    assert 1 + 1 == 3\n",
    "test_c_killed": GOOD + "def test_killed():\n    import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)\n",
    "test_d_exit": "def test_exit():\n    import os\n    os._exit(0)\n" + GOOD,
    "test_e_import": "import os\nos._exit(7)\n",
    "test_f_skip": "import pytest\n" + "".join(
        f"@pytest.mark.skip(reason='no moon today')\ndef test_{name}():\n    pass\n" for name in ("one", "two")
    ),
    "test_g_whole": "import pytest\npytest.skip('not on this planet', allow_module_level=True)\n",
    "test_h_broken": "import a_module_that_is_not_there\n",
    "test_i_setup": "import pytest\n@pytest.fixture\ndef broken():\n    raise OSError('no disk')\n"
                    "def test_needs(broken):\n    pass\n" + GOOD,
    "test_j_last": GOOD + "import pytest\n@pytest.mark.xfail(reason='known')\ndef test_known():\n    assert False\n",
}

#: pytest takes the tests of these two in turns: first all of the one world, then all of the other.
IN_TURNS = {
    "conftest": "import pytest\n@pytest.fixture(scope='session', params=['first', 'second'])\n"
                "def world(request):\n    return request.param\n",
    "test_m_one": "def test_one(world):\n    pass\n",
    "test_m_two": "def test_two(world):\n    pass\n",
    "test_n_alone": GOOD,
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """`run(names, *arguments, memory="6", lanes=1)`: the runner's exit code and output lines on these files."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def start(names, *arguments: str, memory: str = "6", lanes: int = 1) -> tuple[int, list[str]]:
        (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = large\naddopts = --import-mode=importlib -p no:cacheprovider -ra\n")
        for name in names:
            (tmp_path / f"{name}.py").write_text((FILES | IN_TURNS | TOGETHER | LARGE)[name])
        monkeypatch.setenv("TEST_MEMORY_GB", memory)
        monkeypatch.setenv("TEST_LANES", str(lanes))
        answer = subprocess.run([sys.executable, RUNNER, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert "Traceback" not in answer.stderr
        return answer.returncode, answer.stdout.splitlines()

    return start


def closing(lines: list[str]) -> str:
    """What the last line counts, without the time."""
    return lines[-1].removeprefix("=== ").split(" in ")[0]


def processes(lines: list[str]) -> int:
    return int(lines[-1].rsplit(", ", 1)[1].split()[0])


#: Each waits for the other: one lane alone would wait in vain.
TOGETHER = {
    f"test_{mine}": "import pathlib, time\n"
                    f"def test_{mine}():\n    pathlib.Path('{mine}').touch()\n    end = time.monotonic() + 60\n"
                    f"    while not pathlib.Path('{other}').exists():\n        assert time.monotonic() < end\n        time.sleep(0.01)\n"
    for mine, other in (("a0", "z"), ("z", "a0"))
}

#: No two of these at the same time.
LARGE = {
    f"test_large_{number}": "import os, pathlib, pytest, time\n@pytest.mark.large\ndef test_large():\n"
                            "    os.close(os.open('here', os.O_CREAT | os.O_EXCL))\n    time.sleep(0.2)\n    os.remove('here')\n"
    for number in range(6)
}


def test_good_files(run):
    code, lines = run(["test_a_good"])
    assert (code, closing(lines), processes(lines)) == (0, "2 passed, 0 failed, 0 skipped", 1)
    assert any(line.endswith(" s  test_a_good.py") for line in lines)


def test_everything_at_once(run):
    code, lines = run(FILES)
    text = "\n".join(lines)
    assert code == 1
    assert closing(lines) == "5 passed, 4 failed, 3 skipped, 2 error, 1 xfailed"
    assert processes(lines) == 4
    assert "FAILED test_b_bad.py::test_bad - assert (1 + 1) == 3" in lines
    assert "FAILED test_c_killed.py::test_killed - the process ended with signal SIGKILL in test_c_killed.py" in lines
    assert "FAILED test_d_exit.py::test_exit - the process ended with exit code 0 in test_d_exit.py" in lines
    assert "FAILED test_e_import.py - the process ended with exit code 7 in test_e_import.py" in lines
    assert lines.count("SKIPPED [2] no moon today") == 1 and lines.count("SKIPPED [1] not on this planet") == 1
    assert text.count("ERROR test_h_broken.py - ") == 1 and text.count("ERROR test_i_setup.py::test_needs - OSError: no disk") == 1


def test_a_full_process_makes_place_for_a_fresh_one(run):
    code, lines = run(["test_a_good", "test_f_skip", "test_j_last"], memory="0.001")
    assert (code, closing(lines), processes(lines)) == (0, "3 passed, 0 failed, 2 skipped, 1 xfailed", 3)
    assert sum("of memory are in use" in line for line in lines) == 2


def test_files_in_turns_are_both_run_whole(run):
    code, lines = run(IN_TURNS, memory="0.001")
    assert (code, closing(lines), processes(lines)) == (0, "5 passed, 0 failed, 0 skipped", 2)


def test_named_files_are_not_run_twice(run):
    names = ["test_a_good", "test_d_exit", "test_e_import", "test_j_last"]
    run(names)
    code, lines = run([], *(f"{name}.py" for name in names), memory="0.001")
    assert (code, closing(lines)) == (1, "3 passed, 2 failed, 0 skipped, 1 xfailed")


def test_plain_arguments(run):
    names = ["test_a_good", "test_b_bad", "test_j_last"]
    code, lines = run(names, "-k", "also_good")
    assert (code, closing(lines)) == (0, "1 passed, 0 failed, 0 skipped")
    code, lines = run(names, "test_a_good.py::test_good", "test_j_last.py")
    assert (code, closing(lines)) == (0, "2 passed, 0 failed, 0 skipped, 1 xfailed")
    code, lines = run(names, "-x", memory="0.001")
    assert (code, closing(lines)) == (1, "2 passed, 1 failed, 0 skipped")


def test_nothing_to_run_is_said(run):
    assert run(["test_a_good"], "-k", "nothing_is_called_this")[0] == 5
    assert run([], "-k", "nothing_is_called_this", lanes=2)[0] == 5
    assert run([], "no_such_file.py")[0] == 4


def test_two_lanes_share_the_files(run):
    code, lines = run([*TOGETHER, "test_a_good", "test_j_last"], lanes=2)
    assert (code, closing(lines), processes(lines)) == (0, "5 passed, 0 failed, 0 skipped, 1 xfailed", 2)
    assert run(IN_TURNS, memory="0.001", lanes=2)[0] == 0


def test_what_dies_in_one_of_two_lanes_is_told_once(run):
    code, lines = run(FILES, lanes=2)
    assert code == 1 and closing(lines) == "5 passed, 4 failed, 3 skipped, 2 error, 1 xfailed"


def test_large_tests_wait_for_each_other(run):
    code, lines = run(LARGE, lanes=2)
    assert (code, closing(lines)) == (0, "6 passed, 0 failed, 0 skipped")


def test_a_line_that_a_crash_cut_off_is_passed_over(tmp_path):
    record = tmp_path / "record.jsonl"
    record.write_text('{"at": "a.py"}\n{"at": "b.p\n{"done": "a.py"}\n\n')
    assert events(record) == [{"at": "a.py"}, {"done": "a.py"}]
    assert events(tmp_path / "none.jsonl") == []
