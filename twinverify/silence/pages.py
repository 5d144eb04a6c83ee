"""Asks the UI's server for what a browser asks it for."""

import json
import re
from typing import Final
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from twinverify.errors import UserError

_SECONDS: Final = 120.0
_ASSET: Final = re.compile(r'(?:src|href)="(?:\./)?(static-files/[^"]+)"')
_ANSWERS: Final = "ajax-api/2.0/mlflow"


def open_pages(link: str) -> int:
    """Get the page behind the link that the UI prints, its scripts and styles, the runs, and their files.

    Returns:
        How many answers there were.

    Raises:
        UserError: one of them did not come.
    """
    server, _, view = link.partition("/#/")
    # No proxy: it is a way off this machine.
    browser = build_opener(ProxyHandler({}))

    def get(path: str, body: dict[str, object] | None = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{server}/{path}", data, {"Content-Type": "application/json"} if data else {})
        try:
            with browser.open(request, timeout=_SECONDS) as answer:
                return bytes(answer.read())
        except (URLError, OSError) as error:
            raise UserError(f"check=true: the UI does not answer at {server}/{path} ({error})") from None

    assets = _ASSET.findall(get("").decode())
    for asset in assets:
        get(asset)
    experiment = view.split("/")[1]
    answer = json.loads(get(f"{_ANSWERS}/runs/search", {"experiment_ids": [experiment], "max_results": 100}))
    runs = [run["info"]["run_id"] for run in answer["runs"]]
    listed = {run: json.loads(get(f"{_ANSWERS}/artifacts/list?run_id={run}")).get("files", []) for run in runs}
    files = [(run, quote(file["path"])) for run, found in listed.items() for file in found if not file["is_dir"]]
    for run, path in files:
        get(f"get-artifact?path={path}&run_uuid={run}")
    return 2 + len(assets) + len(runs) + len(files)
