"""The folder of `tickets local start --keep`, without an engine."""

import json
import socket
from importlib.metadata import version
from pathlib import Path

import pytest

from tickets.errors import CommandError
from tickets.local.engine import Engine, PortTaken
from tickets.local.kept_data import KeptData, kept_data


def end_in_order(kept: KeptData, port: int) -> None:
    """What the guard does after the engine has saved its state."""
    keep = kept.prepare_next(port)
    Path(keep["new"]).replace(keep["record"])


def keep_a_file(folder: Path, port: int = 4566) -> None:
    with kept_data(folder, None) as kept:
        (kept.working_copy / "state").mkdir()
        (kept.working_copy / "state/s3.json").write_text("first")
        end_in_order(kept, port)


def test_the_data_and_the_port_are_those_of_the_last_orderly_end(tmp_path: Path) -> None:
    keep_a_file(tmp_path / "kept")
    with kept_data(tmp_path / "kept", None) as killed:
        assert killed.port == 4566
        state = killed.working_copy / "state/s3.json"
        assert state.read_text() == "first"
        state.write_text("of an engine that was killed")
        killed.prepare_next(4566)
    with kept_data(tmp_path / "kept", 4566) as again:
        assert (again.working_copy / "state/s3.json").read_text() == "first"
        (again.working_copy / "state/s3.json").write_text("second")
        end_in_order(again, 4566)
    with kept_data(tmp_path / "kept", None) as last:
        assert (last.working_copy / "state/s3.json").read_text() == "second"
        folders = {path.name for path in (tmp_path / "kept").iterdir() if path.is_dir()}
        assert len(folders) == 2, "the kept data and the working copy"


def test_a_folder_serves_one_engine_at_a_time(tmp_path: Path) -> None:
    with (
        kept_data(tmp_path, None),
        pytest.raises(CommandError, match="is using"),
        kept_data(tmp_path, None),
    ):
        pass


def test_another_port_or_engine_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_a_file(tmp_path)
    with pytest.raises(CommandError, match="belong to port 4566"), kept_data(tmp_path, 4567):
        pass
    record = json.loads((tmp_path / "kept.json").read_text())
    assert record["engine"] == version("ministack")
    (tmp_path / "kept.json").write_text(json.dumps({**record, "engine": "1.0.0"}))
    with (
        pytest.raises(CommandError, match=r"saved by MiniStack 1\.0\.0"),
        kept_data(tmp_path, None),
    ):
        pass
    (tmp_path / "kept.json").write_text("{")
    with pytest.raises(CommandError, match="is damaged"), kept_data(tmp_path, None):
        pass


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(CommandError, match=r"such as thesis\.txt"), kept_data(tmp_path, None):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_port_that_is_taken_is_refused_and_names_the_folder(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        keep_a_file(tmp_path, port)
        with (
            kept_data(tmp_path, None) as kept,
            pytest.raises(PortTaken, match=f"Port {port} is in use, and the data in {tmp_path}"),
        ):
            Engine.start(keep=kept)
