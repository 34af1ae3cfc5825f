"""Downloading, from a real server on this machine that misbehaves on demand."""

import hashlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from crnn.core.errors import UserError
from crnn.data.sources.download import download, part_path

STAGE = (Path(__file__).parents[2] / "workflow" / "stage.py", "download_file")
CONTENT = bytes(range(256)) * 40
DIGEST = hashlib.sha256(CONTENT).hexdigest()
REMEDY = "set datasets.mine.archive"


@dataclass
class Site:
    """One file behind an address: how the server treats it, and what was asked of it."""

    url: str = ""
    honours_range: bool = True
    states_length: bool = True
    bytes_before_break: int | None = None  # of each connection
    status: int | None = None  # instead of an answer
    ranges: list[str | None] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers["Range"]
        self.ranges.append(asked)
        if self.status is not None:
            handler.send_error(self.status)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.honours_range else 0
        if start >= len(CONTENT):
            handler.send_error(416)
            return
        body = CONTENT[start:]
        handler.send_response(206 if start else 200)
        if self.states_length:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.bytes_before_break])


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that the machine may need must not stand between these tests and their own server."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        site.url = f"http://127.0.0.1:{server.server_port}/archive.tar.gz"
        yield site
        server.shutdown()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "archive.tar.gz"


def hold_part(output: Path, content: bytes) -> None:
    output.parent.mkdir()
    part_path(output).write_bytes(content)


def assert_whole(output: Path) -> None:
    assert output.read_bytes() == CONTENT
    assert [path.name for path in output.parent.iterdir()] == [output.name]


def test_a_file_arrives_whole(site: Site, output: Path) -> None:
    download(site.url, DIGEST, output, REMEDY)
    assert_whole(output)
    assert site.ranges == [None]


def test_a_server_that_states_no_length(site: Site, output: Path) -> None:
    site.states_length = False
    download(site.url, DIGEST, output, REMEDY)
    assert_whole(output)


def test_a_broken_connection_is_continued_where_it_broke(site: Site, output: Path) -> None:
    site.bytes_before_break = 4000
    download(site.url, DIGEST, output, REMEDY)
    assert_whole(output)
    assert site.ranges == [None, "bytes=4000-", "bytes=8000-"]


def test_a_later_run_continues_what_an_earlier_one_left(site: Site, output: Path) -> None:
    hold_part(output, CONTENT[:5000])
    download(site.url, DIGEST, output, REMEDY)
    assert_whole(output)
    assert site.ranges == ["bytes=5000-"]


def test_a_server_that_ignores_range_sends_it_all_again(site: Site, output: Path) -> None:
    site.honours_range = False
    hold_part(output, CONTENT[:5000])
    download(site.url, DIGEST, output, REMEDY)
    assert_whole(output)


def test_a_whole_part_needs_no_more_than_its_name(site: Site, output: Path) -> None:
    hold_part(output, CONTENT)
    download(site.url, DIGEST, output, REMEDY)
    assert_whole(output)


def test_a_connection_that_gets_no_further_ends_the_download_and_keeps_the_part(site: Site, output: Path) -> None:
    site.honours_range = False
    site.bytes_before_break = 4000
    with pytest.raises(UserError, match=f"closed after 4000 of {len(CONTENT)} bytes.*{REMEDY}"):
        download(site.url, DIGEST, output, REMEDY)
    assert not output.exists()
    assert part_path(output).read_bytes() == CONTENT[:4000]


def test_another_file_is_refused_and_removed(site: Site, output: Path) -> None:
    with pytest.raises(UserError, match=f"sha256 is {DIGEST}, expected {'0' * 64}"):
        download(site.url, "0" * 64, output, REMEDY)
    assert list(output.parent.iterdir()) == []


def test_a_stale_part_is_removed_so_that_the_next_run_succeeds(site: Site, output: Path) -> None:
    hold_part(output, b"x" * 5000)
    with pytest.raises(UserError, match="what came is removed"):
        download(site.url, DIGEST, output, REMEDY)
    download(site.url, DIGEST, output, REMEDY)
    assert_whole(output)


def test_a_refusal_names_the_address_its_reason_and_the_remedy(site: Site, output: Path) -> None:
    site.status = 404
    with pytest.raises(UserError, match=f"{site.url}: cannot be downloaded .*404.*{REMEDY}"):
        download(site.url, DIGEST, output, REMEDY)


def test_no_server_names_the_address_and_the_remedy(output: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/archive.tar.gz"
        with pytest.raises(UserError, match=f"{url}: cannot be downloaded .*refused.*{REMEDY}"):
            download(url, DIGEST, output, REMEDY)
    assert list(output.parent.iterdir()) == []


def test_a_local_file_by_its_address(tmp_path: Path, output: Path) -> None:
    (tmp_path / "mine.tar.gz").write_bytes(CONTENT)
    download((tmp_path / "mine.tar.gz").as_uri(), DIGEST, output, REMEDY)
    assert_whole(output)


@pytest.mark.parametrize("url", ["ftp://example.org/a", "data:,x", "/data/archive.tar.gz", "archive.tar.gz"])
def test_other_schemes_are_refused(output: Path, url: str) -> None:
    with pytest.raises(UserError, match="expected an address that begins with one of http, https, file"):
        download(url, DIGEST, output, REMEDY)


# --- the stage ---------------------------------------------------------------------------------------------


def download_file(url: str, digest: str, output: Path, *more: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *STAGE, "--url", url, "--sha256", digest, "--output", output, *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_stage_downloads_and_writes_its_record(site: Site, output: Path, tmp_path: Path) -> None:
    result = download_file(site.url, DIGEST, output, "--record", tmp_path / "record.json")
    assert result.returncode == 0, result.stderr
    assert_whole(output)
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["outputs"] == {str(output): {"sha256": DIGEST, "bytes": len(CONTENT)}}


def test_the_stage_fails_in_one_line(site: Site, output: Path) -> None:
    site.status = 503
    result = download_file(site.url, DIGEST, output)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.endswith(f"download it by hand and save it as {output}")


def test_a_hash_that_is_none_is_refused_before_anything_is_fetched(site: Site, output: Path) -> None:
    result = download_file(site.url, "7872c9ef...", output)
    assert result.returncode == 2
    assert "'7872c9ef...' is not a SHA-256; expected 64 hexadecimal digits" in result.stderr
    assert site.ranges == []
